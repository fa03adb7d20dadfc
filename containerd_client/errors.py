"""Define the errors of a call to containerd: one class for each gRPC status code.

containerd maps its own error kinds (errdefs) to status codes on the wire: NotFound, AlreadyExists, Unavailable,
FailedPrecondition, InvalidArgument, Unimplemented, Canceled, DeadlineExceeded; everything else arrives as Unknown.
Every method of the client raises these and never an error class of gRPC.
"""

# ruff: noqa: N818 - the classes have the names of the codes, which is what a reader who knows containerd looks for

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from untrusted import without_middle

if TYPE_CHECKING:
    from grpc.aio import AioRpcError


class ContainerdError(Exception):
    """Base class: ``method`` was called, ``code`` is the name of the status, ``detail`` is containerd's text."""

    code: ClassVar[str] = "UNKNOWN"

    def __init__(self, method: str, detail: str, *, never_sent: bool = False) -> None:
        super().__init__(method, detail)
        self.method: Final = method
        self.detail: Final = detail
        self.never_sent: Final = never_sent
        """True when the request certainly did not reach containerd, because no connection existed to send it on."""

    def __str__(self) -> str:
        return f"{self.method.rpartition('.')[2]}: {self.detail}"


class Cancelled(ContainerdError):
    """The server ended the call, or the client was closed; the caller did not cancel it."""

    code = "CANCELLED"


class Unknown(ContainerdError):
    """An error that containerd did not classify; most errors of shims and runtimes arrive like this."""

    code = "UNKNOWN"


class InvalidArgument(ContainerdError):
    """The request is malformed, whatever the state of the system."""

    code = "INVALID_ARGUMENT"


class DeadlineExceeded(ContainerdError):
    """The deadline passed; containerd may have done the work nevertheless."""

    code = "DEADLINE_EXCEEDED"


class NotFound(ContainerdError):
    """The named thing does not exist."""

    code = "NOT_FOUND"


class AlreadyExists(ContainerdError):
    """The name is taken, or the blob exists."""

    code = "ALREADY_EXISTS"


class PermissionDenied(ContainerdError):
    """The caller lacks the permission."""

    code = "PERMISSION_DENIED"


class ResourceExhausted(ContainerdError):
    """A limit is exceeded, for example the size of a message."""

    code = "RESOURCE_EXHAUSTED"


class FailedPrecondition(ContainerdError):
    """The thing exists but is in the wrong state."""

    code = "FAILED_PRECONDITION"


class Aborted(ContainerdError):
    """A concurrent change won."""

    code = "ABORTED"


class OutOfRange(ContainerdError):
    """The offset is beyond the end, or is not the current offset of an ingest."""

    code = "OUT_OF_RANGE"


class Unimplemented(ContainerdError):
    """This containerd does not know the method or the service."""

    code = "UNIMPLEMENTED"


class Internal(ContainerdError):
    """An invariant is broken, in containerd or in the transport."""

    code = "INTERNAL"


class Unavailable(ContainerdError):
    """containerd is not running or went away during the call; or something is locked, see ``is_ingest_locked``."""

    code = "UNAVAILABLE"


class ClientClosed(Unavailable):
    """This client was closed before or during the call; none of its calls can succeed again."""


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


_LONGEST_DETAIL: Final = 1 << 16
"""Characters of a text from containerd that are kept; a runtime or its hook may write megabytes."""


def from_rpc_error(method: str, error: AioRpcError) -> ContainerdError:
    """Return the error of this module that stands for gRPC's own."""
    detail = without_middle(error.details() or "", _LONGEST_DETAIL)
    kind = BY_CODE.get(error.code().name, Unknown)
    if kind is Unavailable and detail.startswith(_NO_CONNECTION):
        # gRPC produces this text itself, before it writes anything to a socket.
        reason = detail.partition(_LAST_ERROR)[2] or detail
        return Unavailable(method, f"no connection to containerd: {reason}", never_sent=True)
    return kind(method, detail)


def is_ingest_locked(error: ContainerdError) -> bool:
    """Return whether another writer holds the ingest (``ref … locked for …``); containerd itself is reachable then."""
    return isinstance(error, Unavailable) and _INGEST_LOCKED in error.detail


def is_shim_gone(error: ContainerdError) -> bool:
    """Return whether a task's shim no longer answers, which containerd reports as Unknown with a text of ttrpc."""
    return any(sign in error.detail for sign in _SHIM_GONE)
