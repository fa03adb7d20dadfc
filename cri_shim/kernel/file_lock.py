"""Lock a file so that only one process at a time holds it, for as long as the process lives.

The kernel releases the lock when the process ends, however it ends, so a file that was left behind locks nothing. The
descriptor is closed on exec, so programs that the daemon starts, even those that outlive it, do not keep the lock.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from types import TracebackType

_LONGEST_PID: Final = 20


class HeldError(OSError):
    """Another process holds the lock; ``holder`` names it as far as known, for example ``process 4711``."""

    def __init__(self, path: str, holder: str) -> None:
        super().__init__(f"{path} is held by {holder}")
        self.holder = holder


class FileLock:
    """The lock of ``path``, a file that is created for it and stays, unless it is to be ``removed`` with the lock.

    A file that is to be removed has a race: a process may open it just before, and lock it just after, while the next
    one creates and locks a new file at the same path. So whoever has locked a file checks that ``path`` still names it,
    and otherwise opens the path again. A daemon of an earlier release does not check, so the file that keeps two
    daemons apart is never removed.
    """

    def __init__(self, path: str, *, removed: bool = False) -> None:
        self._path = path
        self._removed = removed
        self._fd = -1

    def __enter__(self) -> Self:
        """Take the lock; raises :class:`HeldError` if another process has it, OSError if the file cannot be made."""
        while (fd := self._locked()) is None:
            pass
        self._fd = fd
        _write_pid(fd)
        return self

    def _locked(self) -> int | None:
        """Return the descriptor of the locked file; None if the file was removed before it was locked."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = _named(fd)
            os.close(fd)
            raise HeldError(self._path, holder) from error
        except OSError:
            os.close(fd)
            raise
        try:
            current = _is_at(fd, self._path)
        except OSError:
            os.close(fd)
            raise
        if current:
            return fd
        os.close(fd)
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Release the lock, even if a program that was just started has not closed its copy yet."""
        if self._removed:
            with suppress(OSError):  # a file that stays locks nothing
                if _is_at(self._fd, self._path):
                    os.unlink(self._path)  # noqa: PTH108 - a name, not a path
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        os.close(self._fd)


def holder_of_lock(path: str | os.PathLike[str]) -> str:
    """Return what holds the lock of ``path``, without taking it; empty if nothing does. Raises OSError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    try:
        # Shared, so that two such looks do not see each other.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _named(fd)
    finally:
        os.close(fd)
    return ""


def _is_at(fd: int, path: str) -> bool:
    """Return whether ``path`` names the open file; raises OSError if that cannot be seen."""
    try:
        there = os.stat(path, follow_symlinks=False)  # noqa: PTH116 - a name, not a path
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(fd))


def _named(fd: int) -> str:
    pid = os.read(fd, _LONGEST_PID).strip()
    return f"process {int(pid)}" if pid.isdigit() else "another process"


def _write_pid(fd: int) -> None:
    """Name the holder; a full disk leaves it without a name, and locks all the same."""
    try:
        os.ftruncate(fd, os.pwrite(fd, f"{os.getpid()}\n".encode(), 0))
    except OSError:
        with suppress(OSError):  # rather no name than that of the holder before
            os.ftruncate(fd, 0)
