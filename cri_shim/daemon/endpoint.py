"""The daemon's own socket: held by one daemon, never open to others, and made again when its file is deleted.

grpc removes any socket that it finds at the path, even one in use, so a second daemon would take it over silently (grpc
issue 17122). Hence the lock beside it, and an attempt to connect before it is made. Root and state are locked as well,
because two daemons with different sockets would write each other's logs and statuses. So is the namespace in
containerd, because each daemon removes snapshots and tasks there that have no record yet (docs/adr/0052).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from cri_shim.doctor.checks import daemons
from cri_shim.kernel.file_lock import FileLock, HeldError, holder_of_lock
from cri_shim.kernel.unix_socket import answers, identity
from cri_shim.paths import DIRECTORY_LOCKS, OF_PODS, namespace_lock_file
from cri_shim.tuning.ticks import next_tick

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import grpc

    from cri_shim.paths import Paths

MOST_REMADE: Final = 16
"""How often a deleted socket is made again: each time costs a server, because the old one keeps its connections."""

log = structlog.get_logger(__name__)


@contextlib.contextmanager
def socket_lock(path: str) -> Iterator[None]:
    """Hold ``PATH.lock`` while the ``with`` block runs.

    Raises OSError when another daemon holds it or something answers on the socket.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(FileLock(f"{path}.lock"))
        except HeldError as error:
            raise OSError(daemons.served_by_another(path, error.holder)) from error
        if answers(path):
            raise OSError(daemons.answered_by_another(path))
        yield


@contextlib.contextmanager
def directory_locks(paths: Paths) -> Iterator[None]:
    """Hold root and state while the ``with`` block runs; raises OSError when another daemon has one of them.

    Both locks are taken in each directory. One daemon's root must not be another's state either, nor be among the
    directories of another's pods, because each removes whatever has no record of its own there.
    """
    directories = {key: directory.resolve() for key, directory in (("state", paths.state), ("root", paths.root))}
    for key, directory in directories.items():
        for above in (top.parent for top in (directory, *directory.parents) if top.name in OF_PODS):
            if holder := next(filter(None, (holder_of_lock(above / name) for name in DIRECTORY_LOCKS)), ""):
                raise OSError(daemons.used_by_another(above, key, holder))
    with contextlib.ExitStack() as stack:
        for directory, key in {directory: key for key, directory in directories.items()}.items():
            for name in DIRECTORY_LOCKS:
                try:
                    stack.enter_context(FileLock(str(directory / name)))
                except HeldError as error:
                    raise OSError(daemons.used_by_another(directory, key, error.holder)) from error
        yield


@contextlib.contextmanager
def namespace_lock(address: str, namespace: str) -> Iterator[None]:
    """Hold a namespace of containerd while the ``with`` block runs; raises OSError when another daemon has it.

    Where the file cannot be made, the daemon goes without this lock: pods matter more.
    """
    path = namespace_lock_file(address, namespace)
    with contextlib.ExitStack() as stack:
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True, mode=0o711)
            stack.enter_context(FileLock(path))
        except HeldError as error:
            raise OSError(daemons.pods_of_another(address, namespace, error.holder)) from error
        except OSError as error:
            log.warning("daemon.namespace_not_locked", path=path, error=str(error))
        yield


class Endpoint:
    """The CRI socket at ``path``; ``make`` returns a server that has not been started yet.

    A running server accepts no second socket, so each time the file is deleted another server is made. The one before
    keeps the connections that it has. ``lost`` is called once, when no socket can be had any more.
    """

    def __init__(self, path: str, mode: int, make: Callable[[], grpc.aio.Server], lost: Callable[[], None]) -> None:
        self._path = path
        self._mode = mode
        self._make = make
        self._lost = lost
        self._servers: list[grpc.aio.Server] = []
        self._identity: tuple[int, int] | None = None
        self._stopping = False

    async def open(self) -> None:
        """Make the socket and serve on it; raises OSError when it cannot be made."""
        server = self._make()
        bind(server, self._path, self._mode)
        await server.start()
        self._servers.append(server)
        self._identity = identity(self._path)

    async def watch(self) -> None:
        """Check once a second that the socket's file still exists, and keep it in place until that is impossible."""
        while await self._poll():
            await next_tick()
        self._lost()
        await asyncio.Event().wait()

    async def _poll(self) -> bool:
        current = identity(self._path)
        if current == self._identity or self._stopping:
            return True
        if current is not None and answers(self._path):
            log.error("daemon.socket_taken", socket=self._path)
            return False
        if len(self._servers) > MOST_REMADE:
            log.error("daemon.socket_lost", socket=self._path, error=f"it was deleted {MOST_REMADE + 1} times")
            return False
        try:
            Path(self._path).parent.mkdir(parents=True, exist_ok=True, mode=0o755)
            await self.open()
        except OSError as error:
            log.error("daemon.socket_lost", socket=self._path, error=str(error))
            return False
        log.warning("daemon.socket_remade", socket=self._path)
        return True

    async def stop(self, grace: float) -> None:
        """Accept no more requests; those in flight have ``grace`` seconds to end."""
        self._stopping = True  # a server that stops removes the file
        await asyncio.gather(*(server.stop(grace) for server in self._servers))


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
