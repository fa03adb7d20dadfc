"""The daemon's own socket: held by one daemon, and never open to others, not even for a moment.

grpc removes whatever socket lies at the path, a living one too, so a second daemon would steal it silently
(grpc issue 17122). Hence a lock beside it, and a look whether somebody else answers.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

    import grpc


class SocketLock:
    """Holds ``PATH.lock`` for as long as the daemon lives; the kernel lets go of it when the process dies."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1

    def __enter__(self) -> Self:
        """Take the lock; raises OSError when another daemon has it or something answers on the socket."""
        Path(self._path).parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        fd = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(fd)
            raise OSError(f"another cri-shim serves {self._path}; stop it, or use another socket_path") from error
        self._fd = fd
        if _somebody_answers(self._path):
            self.__exit__(None, None, None)
            raise OSError(f"something that is not cri-shim answers on {self._path}; use another socket_path")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let go; the lock file stays, because removing it would race with the next daemon."""
        os.close(self._fd)


def bind(server: grpc.aio.Server, path: str, mode: int) -> None:
    """Make the socket with ``mode`` from its first moment; raises OSError when it cannot be made."""
    before = os.umask(0o777 & ~mode)
    try:
        bound = server.add_insecure_port(f"unix://{os.path.abspath(path)}")  # noqa: PTH100 - no file is touched
    except RuntimeError as error:
        raise OSError(f"socket {path} cannot be made: {error}") from error
    finally:
        os.umask(before)
    if not bound:
        raise OSError(f"socket {path} cannot be made")


def _somebody_answers(path: str) -> bool:
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
        return True
