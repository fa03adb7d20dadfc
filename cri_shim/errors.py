"""The errors that an RPC may end with, each with the gRPC code it becomes.

Collaborators and RPC files raise these (or let :mod:`containerd_client.errors` pass); only
:mod:`cri_shim.server.instrument` turns them into a status on the wire. A message names the thing, says what was wrong
with it and, where that helps, what to do.
"""

from __future__ import annotations

import grpc


class CriError(Exception):
    """Base of all: an answer of ours that is not OK."""

    code: grpc.StatusCode = grpc.StatusCode.UNKNOWN


class InvalidArgumentError(CriError):
    """The request itself cannot be carried out as it is written."""

    code = grpc.StatusCode.INVALID_ARGUMENT


class NotFoundError(CriError):
    """The pod, container or image that the request names is not here."""

    code = grpc.StatusCode.NOT_FOUND


class AlreadyExistsError(CriError):
    """Another object holds the name that the request wants."""

    code = grpc.StatusCode.ALREADY_EXISTS


class FailedPreconditionError(CriError):
    """The thing exists but is in a state that forbids the request."""

    code = grpc.StatusCode.FAILED_PRECONDITION


class UnavailableError(CriError):
    """Something we need is away; the same request may succeed later."""

    code = grpc.StatusCode.UNAVAILABLE


class DeadlineExceededError(CriError):
    """A time limit that the request itself set has passed."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED


class UnimplementedError(CriError):
    """This runtime, or the versions below it, cannot do what the request asks."""

    code = grpc.StatusCode.UNIMPLEMENTED


class ResourceExhaustedError(CriError):
    """A limit of this daemon or of the node is reached."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED


class InternalError(CriError):
    """A step failed in a way that the client can do nothing about."""

    code = grpc.StatusCode.INTERNAL
