"""What a call to containerd may end with: one class for each gRPC status code.

containerd turns its own error kinds (errdefs) into status codes on the wire: NotFound, AlreadyExists, Unavailable,
FailedPrecondition, InvalidArgument, Unimplemented, Canceled, DeadlineExceeded; everything else arrives as Unknown.
Every method of the client raises these and nothing else of gRPC's.
"""

# ruff: noqa: N818 - the classes carry the names of the codes, which is what a reader of containerd looks for

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from grpc.aio import AioRpcError


class ContainerdError(Exception):
    """Base of all: ``method`` is what was called, ``code`` the name of the status, ``detail`` containerd's words."""

    code: ClassVar[str] = "UNKNOWN"

    def __init__(self, method: str, detail: str, *, never_sent: bool = False) -> None:
        super().__init__(method, detail)
        self.method: Final = method
        self.detail: Final = detail
        self.never_sent: Final = never_sent
        """True when the request certainly did not reach containerd, because there was no connection to send it on."""

    def __str__(self) -> str:
        return f"{self.method.rpartition('.')[2]}: {self.detail}"


class Cancelled(ContainerdError):
    """Somebody other than the caller ended the call: the server, or whoever closed the client."""

    code = "CANCELLED"


class Unknown(ContainerdError):
    """An error without a kind; much of what shims and runtimes say arrives like this."""

    code = "UNKNOWN"


class InvalidArgument(ContainerdError):
    """The request is malformed, whatever the state of things."""

    code = "INVALID_ARGUMENT"


class DeadlineExceeded(ContainerdError):
    """The deadline passed; the work may have been done all the same."""

    code = "DEADLINE_EXCEEDED"


class NotFound(ContainerdError):
    """The named thing does not exist."""

    code = "NOT_FOUND"


class AlreadyExists(ContainerdError):
    """The name is taken, or the blob is there."""

    code = "ALREADY_EXISTS"


class PermissionDenied(ContainerdError):
    """The caller may not do this."""

    code = "PERMISSION_DENIED"


class ResourceExhausted(ContainerdError):
    """A limit is reached, for example that of a message's size."""

    code = "RESOURCE_EXHAUSTED"


class FailedPrecondition(ContainerdError):
    """The thing exists but is in the wrong state."""

    code = "FAILED_PRECONDITION"


class Aborted(ContainerdError):
    """A concurrent change won."""

    code = "ABORTED"


class OutOfRange(ContainerdError):
    """An offset beyond the end, or one that is not the current offset of an ingest."""

    code = "OUT_OF_RANGE"


class Unimplemented(ContainerdError):
    """This containerd does not know the method or the service."""

    code = "UNIMPLEMENTED"


class Internal(ContainerdError):
    """An invariant is broken, in containerd or in the transport."""

    code = "INTERNAL"


class Unavailable(ContainerdError):
    """containerd is away or went away in the middle; or it says that something is locked, see ``is_ingest_locked``."""

    code = "UNAVAILABLE"


class ClientClosed(Unavailable):
    """This client was closed, before the call or in the middle of it; no call of it will succeed again."""


class DataLoss(ContainerdError):
    """Stored data is damaged."""

    code = "DATA_LOSS"


class Unauthenticated(ContainerdError):
    """Credentials are missing."""

    code = "UNAUTHENTICATED"


BY_CODE: Final[dict[str, type[ContainerdError]]] = {
    kind.code: kind
    for kind in (
        Cancelled,
        Unknown,
        InvalidArgument,
        DeadlineExceeded,
        NotFound,
        AlreadyExists,
        PermissionDenied,
        ResourceExhausted,
        FailedPrecondition,
        Aborted,
        OutOfRange,
        Unimplemented,
        Internal,
        Unavailable,
        DataLoss,
        Unauthenticated,
    )
}

_NO_CONNECTION: Final = "failed to connect to all addresses"
_LAST_ERROR: Final = "last error: "
_INGEST_LOCKED: Final = " locked for "
_SHIM_GONE: Final = ("ttrpc: closed", "ttrpc: stream closed", "ttrpc: server closed")


def from_rpc_error(method: str, error: AioRpcError) -> ContainerdError:
    """The typed form of gRPC's own error."""
    detail = error.details() or ""
    kind = BY_CODE.get(error.code().name, Unknown)
    if kind is Unavailable and detail.startswith(_NO_CONNECTION):
        # gRPC words this failure itself, before anything is written to a socket.
        reason = detail.partition(_LAST_ERROR)[2] or detail
        return Unavailable(method, f"no connection to containerd: {reason}", never_sent=True)
    return kind(method, detail)


def is_ingest_locked(error: ContainerdError) -> bool:
    """Tell whether another writer holds the ingest (``ref … locked for …``); Unavailable, but containerd is there."""
    return isinstance(error, Unavailable) and _INGEST_LOCKED in error.detail


def is_shim_gone(error: ContainerdError) -> bool:
    """Tell whether the shim behind a task no longer answers, which containerd reports as Unknown in ttrpc's words."""
    return any(sign in error.detail for sign in _SHIM_GONE)
