"""What the operating system refused, in words: which path, what was wrong, what to do about it.

One table for every place that lets an :class:`OSError` pass. None of these becomes NOT_FOUND or ALREADY_EXISTS: a
client takes those for the pod, container or image that it asked about.
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
    errno.EFBIG: (ResourceExhaustedError, "the file would be larger than the file system or LimitFSIZE allows"),
    errno.EMFILE: (ResourceExhaustedError, "cri-shim has as many files open as it may; raise LimitNOFILE of its unit"),
    errno.ENFILE: (ResourceExhaustedError, "the node has as many files open as it may; raise the sysctl fs.file-max"),
    errno.ENOMEM: (ResourceExhaustedError, "free memory on the node, or raise MemoryMax of the unit"),
    errno.EAGAIN: (ResourceExhaustedError, "a limit is reached for now; try again, or raise TasksMax of the unit"),
    errno.EROFS: (FailedPreconditionError, "mount that file system read-write, or use another directory"),
    errno.EACCES: (FailedPreconditionError, "check permissions, and the policy of SELinux or AppArmor"),
    errno.EPERM: (FailedPreconditionError, "check the capabilities of cri-shim, and the policy of SELinux or AppArmor"),
    errno.ENOENT: (FailedPreconditionError, "it has to be there; make it, or name another"),
    errno.ENOTDIR: (FailedPreconditionError, "a directory is needed where something else lies"),
    errno.EISDIR: (FailedPreconditionError, "a file is needed where a directory lies"),
    errno.EEXIST: (FailedPreconditionError, "something lies there already; remove it, or name another"),
    errno.ENOTEMPTY: (FailedPreconditionError, "remove what is in it"),
    errno.EBUSY: (FailedPreconditionError, "it is in use; try again when it is not"),
    errno.ETXTBSY: (FailedPreconditionError, "a program is being written or run; try again when it is not"),
    errno.ELOOP: (FailedPreconditionError, "symbolic links lead in a circle or where they may not"),
    errno.EXDEV: (FailedPreconditionError, "both have to be on one file system"),
    errno.ENODEV: (FailedPreconditionError, "the kernel has no such device or file system"),
    errno.ENXIO: (FailedPreconditionError, "a device, socket or pipe without another end cannot be read"),
    errno.EOPNOTSUPP: (FailedPreconditionError, "the kernel or that file system cannot do this"),
    errno.ENOSYS: (FailedPreconditionError, "the kernel is too old for this, or a filter of system calls forbids it"),
    errno.EINVAL: (FailedPreconditionError, "the kernel does not take this value"),
    errno.ERANGE: (InvalidArgumentError, "the value is out of the range that the kernel takes"),
    errno.ENAMETOOLONG: (
        InvalidArgumentError,
        "a file name may have 255 bytes and a path 4095; use a shorter one",
    ),
    errno.E2BIG: (InvalidArgumentError, "arguments or environment are larger than the kernel takes"),
    errno.EILSEQ: (InvalidArgumentError, "the name is not what that file system takes"),
    errno.EIO: (InternalError, "the device below it fails; look at the kernel's log"),
    errno.ESTALE: (InternalError, "the network file system below it has lost the file; mount it anew"),
    errno.ECONNREFUSED: (UnavailableError, "nothing answers there"),
    errno.ECONNRESET: (UnavailableError, "the other side has closed the connection"),
    errno.EPIPE: (UnavailableError, "the other side has closed the connection"),
    errno.EHOSTUNREACH: (UnavailableError, "there is no way to that host"),
    errno.ENETUNREACH: (UnavailableError, "there is no way to that network"),
    errno.EADDRINUSE: (UnavailableError, "another process has that address"),
    errno.ETIMEDOUT: (DeadlineExceededError, "there was no answer in time"),
}
_OF_THE_NODE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO)
"""What a program can fail with whatever it is asked for."""


def node_error_in(text: str) -> CriError | None:
    """Return the error to answer with for the words of a program whose own call the operating system refused.

    Programs end their words with those of the system. None where they end otherwise.
    """
    said = text.removesuffix(": unknown").lower()
    for number in _OF_THE_NODE:
        if said.endswith(os.strerror(number).lower()):
            kind, advice = _KINDS[number]
            return kind(f"{text}; {advice}")
    return None


def cri_error_of(error: OSError) -> CriError:
    """Return the error to answer with for what the operating system refused."""
    kind, advice = _KINDS.get(error.errno or 0, (InternalError, ""))
    if error.errno is None:
        # An error of a library, or a time limit of ours; what it says is all there is.
        if isinstance(error, TimeoutError):
            return DeadlineExceededError(str(error) or "a step took longer than it may")
        return InternalError(str(error) or type(error).__name__)
    usual = os.strerror(error.errno)
    # Where a collaborator has put its own words there, they hold names whose case matters.
    said = usual.lower() if error.strerror in {None, usual} else error.strerror
    paths = " and ".join(escaped(_text(one)) for one in (error.filename, error.filename2) if one is not None)
    return kind(": ".join(filter(None, (paths, f"{said}; {advice}" if advice else said))))


def _text(path: object) -> str:
    """A path as text; Python has it as text, bytes or a number of a descriptor."""
    return os.fsdecode(path) if isinstance(path, str | bytes) else f"file descriptor {path}"
