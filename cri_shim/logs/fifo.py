"""Make and open the FIFOs between a container (or an exec) and this daemon, as containerd's shim expects them.

Paths and modes are those of containerd's cio.NewFIFOSetInDir. The shim opens stdout and stderr for reading *and*
writing, so a daemon that ends breaks nothing: output stays in the FIFO, writers block when it is full, and the next
daemon opens the reading end again. The shim opens only the reading end of stdin, see :class:`StdinKeeper`.

Opening for reading without blocking succeeds before there is a writer. Until then ``read`` returns nothing, which is
not the end: only poll's hang-up, reported once a writer has come and gone, is the end.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

from msgspec import Struct

from cri_shim.kernel.presence import mode_of

_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


class FifoSet(Struct, frozen=True):
    """Paths for ``Tasks.Create`` and ``Tasks.Exec``; an empty path stands for a stream that does not exist."""

    dir: str
    stdin: str
    stdout: str
    stderr: str
    terminal: bool

    @classmethod
    def at(cls, directory: str, process_id: str, *, stdin: bool, tty: bool) -> FifoSet:
        """Return the paths for a process, without looking at the file system; a terminal has no stderr."""
        base = f"{directory}/{process_id}"
        return cls(directory, f"{base}-stdin" if stdin else "", f"{base}-stdout", "" if tty else f"{base}-stderr", tty)

    @classmethod
    def create(cls, directory: str, process_id: str, *, stdin: bool, tty: bool) -> FifoSet:
        """Make the FIFOs (mode 0700, as is the directory), and replace those left from an earlier attempt.

        Raises ``OSError`` if one cannot be made; then none is left behind.
        """
        fifos = cls.at(directory, process_id, stdin=stdin, tty=tty)
        Path(directory).mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            for path in fifos.paths:
                Path(path).unlink(missing_ok=True)
                _make(path)
        except OSError:
            fifos.remove()
            raise
        return fifos

    @classmethod
    def existing(cls, directory: str, process_id: str, *, stdin: bool, tty: bool) -> FifoSet:
        """Return the FIFOs that an earlier daemon made.

        Raises ``OSError`` if one is missing or is not a FIFO.
        """
        return _checked(cls.at(directory, process_id, stdin=stdin, tty=tty))

    @classmethod
    def of_process(cls, stdin: str, stdout: str, stderr: str, *, terminal: bool) -> FifoSet:
        """Return the FIFOs that containerd names for a running process (``Tasks.Get``), whichever daemon made them.

        Raises ``OSError`` if one is missing or is not a FIFO (a process may log to a file or a program instead).
        """
        directory = str(Path(stdout or stderr or stdin).parent)
        return _checked(cls(directory, stdin, stdout, "" if terminal else stderr, terminal))

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of the streams that exist."""
        return tuple(path for path in (self.stdin, self.stdout, self.stderr) if path)

    def open_readers(self) -> tuple[int, int | None]:
        """Open stdout and, unless the process has a terminal, stderr for reading without blocking.

        Call this before the task is created, so that no writer has to wait for a reader. The caller owns the
        descriptors. Raises ``OSError`` if one cannot be opened; then none stays open.
        """
        stdout = os.open(self.stdout, _READ)
        if not self.stderr:
            return stdout, None
        try:
            return stdout, os.open(self.stderr, _READ)
        except OSError:
            os.close(stdout)
            raise

    def touch_writers(self) -> None:
        """Open and close the writing ends of FIFOs that are being read and have no writer any more.

        A reader opened after the last writer had gone never gets the hang-up that means the end; this causes it. Raises
        ``OSError`` if one cannot be opened because it has no reader.
        """
        for path in (self.stdout, self.stderr):
            if path:
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))

    def remove(self) -> None:
        """Unlink the FIFOs, and remove the directory if it is empty then; what is gone already is fine."""
        for path in self.paths:
            Path(path).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # FIFOs of another process are still there
            Path(self.dir).rmdir()


def _make(path: str) -> None:
    try:
        os.mkfifo(path, 0o700)
    except OSError as error:
        error.filename = path  # Python leaves it out
        raise


def _checked(fifos: FifoSet) -> FifoSet:
    for path in fifos.paths:
        if not stat.S_ISFIFO(mode_of(path) or 0):
            raise FileNotFoundError(errno.ENOENT, "no fifo of that name", path)
    return fifos


class StdinKeeper:
    """Holds the writing end of a container's stdin, so that the container sees neither an end nor a missing writer.

    A writing end alone cannot be opened before the shim reads (ENXIO), and polling for that would race with the start.
    So the constructor first opens the FIFO for both reading and writing, which always succeeds, then opens a second
    descriptor for writing only, and closes the first. Keeping the first would make this process a reader: writes into
    the stdin of a container that has closed it would fill the FIFO instead of failing with EPIPE.

    When the daemon dies, the shim sees the end of stdin and closes the container's; containerd's plugin has the same
    limit. A keeper made at recovery opens the FIFO all the same; writing then fails with EPIPE.
    """

    def __init__(self, path: str) -> None:
        """Open the FIFO at ``path``.

        Raises ``OSError`` if it is missing.
        """
        self.path = path
        both = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        finally:
            os.close(both)

    @property
    def fd(self) -> int:
        """The writing end, which does not block; -1 after :meth:`close`."""
        return self._fd

    def close(self) -> None:
        """Let the container see the end of its stdin; may be called again."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
