"""The errors that an RPC may end with, each with its gRPC status code.

Collaborators and RPC files raise these, or let errors of :mod:`containerd_client.errors` pass. Only
:mod:`cri_shim.server.instrument` turns them into a status on the wire. A message names the thing, says what was wrong
with it and, where that helps, what to do.
"""

from __future__ import annotations

import grpc


class CriError(Exception):
    """Base class of every error that this daemon answers a request with."""

    code: grpc.StatusCode = grpc.StatusCode.UNKNOWN


class InvalidArgumentError(CriError):
    """The request cannot be carried out as it is written."""

    code = grpc.StatusCode.INVALID_ARGUMENT


class NotFoundError(CriError):
    """The pod, container or image that the request names does not exist here."""

    code = grpc.StatusCode.NOT_FOUND


class AlreadyExistsError(CriError):
    """Another object holds the name that the request asks for."""

    code = grpc.StatusCode.ALREADY_EXISTS


class FailedPreconditionError(CriError):
    """The object exists, but its state does not allow the request."""

    code = grpc.StatusCode.FAILED_PRECONDITION


class UnavailableError(CriError):
    """Something that the request needs is unavailable; the same request may succeed later."""

    code = grpc.StatusCode.UNAVAILABLE


class DeadlineExceededError(CriError):
    """A time limit that the request itself set has passed."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED


class UnimplementedError(CriError):
    """This runtime, or the software below it, cannot do what the request asks."""

    code = grpc.StatusCode.UNIMPLEMENTED


class ResourceExhaustedError(CriError):
    """A limit of this daemon or of the node is reached."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED


class InternalError(CriError):
    """A step failed, and the client cannot do anything about it."""

    code = grpc.StatusCode.INTERNAL
