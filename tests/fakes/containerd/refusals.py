"""Errors as containerd answers them: a gRPC status code and the words of its error packages.

containerd wraps its error kinds (``errdefs``) into texts that end with the name of the kind, and turns the kind into a
status code on the wire. Each function below makes one kind; the text that it takes is what stands before the colon.
"""

from __future__ import annotations

import grpc


class Refusal(Exception):  # noqa: N818 - it is an answer, and the caller's error
    """An error that a service method answers with."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


def not_found(what: str) -> Refusal:
    """Return ``NOT_FOUND`` about a thing that is not there."""
    return Refusal(grpc.StatusCode.NOT_FOUND, f"{what}: not found")


def already_exists(what: str) -> Refusal:
    """Return ``ALREADY_EXISTS`` about a name that is taken."""
    return Refusal(grpc.StatusCode.ALREADY_EXISTS, f"{what}: already exists")


def invalid_argument(what: str) -> Refusal:
    """Return ``INVALID_ARGUMENT`` about a malformed request."""
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, f"{what}: invalid argument")


def failed_precondition(what: str) -> Refusal:
    """Return ``FAILED_PRECONDITION`` about a thing in the wrong state."""
    return Refusal(grpc.StatusCode.FAILED_PRECONDITION, f"{what}: failed precondition")


def unavailable(what: str) -> Refusal:
    """Return ``UNAVAILABLE`` about a thing that is held by another client."""
    return Refusal(grpc.StatusCode.UNAVAILABLE, f"{what}: unavailable")


def unknown(what: str) -> Refusal:
    """Return ``UNKNOWN`` with the words of a shim or of the runtime."""
    return Refusal(grpc.StatusCode.UNKNOWN, f"{what}: unknown")


def bare(code: grpc.StatusCode, text: str) -> Refusal:
    """Return an error whose text names no kind: those that services make without ``errdefs``."""
    return Refusal(code, text)
