"""Put operating-system errors into words: which path, what was wrong, and what to do about it.

This is the one table for every place that lets an :class:`OSError` pass. No error here becomes NOT_FOUND or
ALREADY_EXISTS, because a client applies those codes to the pod, container or image that it asked about.
"""

from __future__ import annotations

import errno
import os
from typing import Final

from cri_shim.errors import (
    CriError,
    DeadlineExceededError,
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    ResourceExhaustedError,
    UnavailableError,
)
from untrusted import escaped

_KINDS: Final[dict[int, tuple[type[CriError], str]]] = {
    errno.ENOSPC: (ResourceExhaustedError, "free space or inodes on that file system"),
    errno.EDQUOT: (ResourceExhaustedError, "free space there or raise the quota"),
    errno.EFBIG: (ResourceExhaustedError, "the file would exceed what the file system or LimitFSIZE allows"),
    errno.EMFILE: (ResourceExhaustedError, "cri-shim has reached its open file limit; raise LimitNOFILE of its unit"),
    errno.ENFILE: (ResourceExhaustedError, "the node has reached its open file limit; raise the sysctl fs.file-max"),
    errno.ENOMEM: (ResourceExhaustedError, "free memory on the node, or raise MemoryMax of the unit"),
    errno.EAGAIN: (ResourceExhaustedError, "a limit is reached for now; try again, or raise TasksMax of the unit"),
    errno.EROFS: (FailedPreconditionError, "mount that file system read-write, or use another directory"),
    errno.EACCES: (FailedPreconditionError, "check permissions, and the policy of SELinux or AppArmor"),
    errno.EPERM: (FailedPreconditionError, "check the capabilities of cri-shim, and the policy of SELinux or AppArmor"),
    errno.ENOENT: (FailedPreconditionError, "it must exist; create it, or name another"),
    errno.ENOTDIR: (FailedPreconditionError, "a directory is needed, but this is something else"),
    errno.EISDIR: (FailedPreconditionError, "a file is needed, but this is a directory"),
    errno.EEXIST: (FailedPreconditionError, "it exists already; remove it, or name another"),
    errno.ENOTEMPTY: (FailedPreconditionError, "remove what is in it"),
    errno.EBUSY: (FailedPreconditionError, "it is in use; try again when it is not"),
    errno.ETXTBSY: (FailedPreconditionError, "a program is being written or run; try again when it is not"),
    errno.ELOOP: (FailedPreconditionError, "symbolic links form a loop, or lead where they must not"),
    errno.EXDEV: (FailedPreconditionError, "both must be on the same file system"),
    errno.ENODEV: (FailedPreconditionError, "the kernel has no such device or file system"),
    errno.ENXIO: (FailedPreconditionError, "a device, socket or pipe without a peer cannot be read"),
    errno.EOPNOTSUPP: (FailedPreconditionError, "the kernel or that file system does not support this"),
    errno.ENOSYS: (FailedPreconditionError, "the kernel is too old for this, or a filter of system calls forbids it"),
    errno.EINVAL: (FailedPreconditionError, "the kernel does not accept this value"),
    errno.ERANGE: (InvalidArgumentError, "the value is outside the range that the kernel accepts"),
    errno.ENAMETOOLONG: (
        InvalidArgumentError,
        "a file name may have at most 255 bytes and a path 4095; use a shorter one",
    ),
    errno.E2BIG: (InvalidArgumentError, "arguments and environment are larger than the kernel accepts"),
    errno.EILSEQ: (InvalidArgumentError, "that file system does not accept the name"),
    errno.EIO: (InternalError, "the underlying device fails; see the kernel's log"),
    errno.ESTALE: (InternalError, "the network file system has lost the file; mount it again"),
    errno.ECONNREFUSED: (UnavailableError, "nothing answers there"),
    errno.ECONNRESET: (UnavailableError, "the other side has closed the connection"),
    errno.EPIPE: (UnavailableError, "the other side has closed the connection"),
    errno.EHOSTUNREACH: (UnavailableError, "that host is unreachable"),
    errno.ENETUNREACH: (UnavailableError, "that network is unreachable"),
    errno.EADDRINUSE: (UnavailableError, "another process uses that address"),
    errno.ETIMEDOUT: (DeadlineExceededError, "there was no answer in time"),
}
_OF_THE_NODE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO)
"""Errors that can hit any program, whatever it was asked to do."""


def node_error_in(text: str) -> CriError | None:
    """Return the error that answers a program's message about a failed system call, or None.

    Programs put the operating system's words at the end of their own. The result is None for a message that ends
    otherwise.
    """
    said = text.removesuffix(": unknown").lower()
    for number in _OF_THE_NODE:
        if said.endswith(os.strerror(number).lower()):
            kind, advice = _KINDS[number]
            return kind(f"{text}; {advice}")
    return None


def cri_error_of(error: OSError) -> CriError:
    """Return the error that answers a request when the operating system refused a step of it."""
    kind, advice = _KINDS.get(error.errno or 0, (InternalError, ""))
    if error.errno is None:
        # A library's error or one of our time limits has no number; its text is all that is known.
        if isinstance(error, TimeoutError):
            return DeadlineExceededError(str(error) or "a step exceeded its time limit")
        return InternalError(str(error) or type(error).__name__)
    usual = os.strerror(error.errno)
    # When a collaborator has set its own text there, the text holds names whose case matters.
    said = usual.lower() if error.strerror in {None, usual} else error.strerror
    paths = " and ".join(escaped(_text(one)) for one in (error.filename, error.filename2) if one is not None)
    return kind(": ".join(filter(None, (paths, f"{said}; {advice}" if advice else said))))


def _text(path: object) -> str:
    """Return a path as text; Python holds it as text, as bytes or as a descriptor number."""
    return os.fsdecode(path) if isinstance(path, str | bytes) else f"file descriptor {path}"
