"""Which daemon serves with this configuration, and whether there is only one.

A daemon holds locks: one beside its socket, two in each of its directories, one beside containerd's socket. /proc/locks
names the holders, so nothing has to be opened or locked to learn them. The texts for a lock that is held are the
daemon's own at its start.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import grpc
from msgspec import Struct
from msgspec.structs import replace

from cri_shim.doctor.facts.code import Code
from cri_shim.doctor.facts.files import text_of
from cri_shim.kernel.unix_socket import answers
from cri_shim.paths import DIRECTORY_LOCKS, namespace_lock_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from cri_shim.config import Config
    from cri_shim.doctor.facts.code import Outcome
    from cri_shim.doctor.facts.place import Place

TWO_DAEMONS = Code(
    "two-daemons",
    "error",
    "another daemon uses the socket, the root, the state directory or the namespace in containerd",
    "no other daemon uses socket, root, state or the namespace in containerd",
)
SOCKET_TAKEN = Code(
    "socket-taken",
    "error",
    "a program that is not cri-shim answers on the socket",
    "no other program answers on the socket",
)
NOT_SERVING = Code(
    "daemon-not-serving",
    "warning",
    "the daemon runs, and its socket or the daemon behind it does not answer",
    "the daemon that runs answers",
)
NOT_RUNNING = Code("daemon-not-running", "note", "no daemon runs with this configuration", "the daemon runs")
_NAMESPACE: Final = "containerd.namespace"
PATIENCE: Final = 3.0
"""Seconds for the daemon's answer to a call; it answers in milliseconds."""
_VERSION: Final = "/runtime.v1.RuntimeService/Version"
CODES: Final = (TWO_DAEMONS, SOCKET_TAKEN, NOT_SERVING, NOT_RUNNING)


class Held(Struct, frozen=True):
    """A lock file and the process that holds it, 0 if none does; ``reason`` says why this is unknown."""

    path: str
    key: str
    """The setting that the lock is about: ``socket_path``, ``root``, ``state`` or ``containerd.namespace``."""
    place: str
    """The value of that setting; for a namespace, containerd's address."""
    pid: int = 0
    reason: str = ""


class Daemons(Struct, frozen=True):
    """The locks, and whether something has the socket.

    ``silent`` says that the daemon that holds its lock does not answer a call: the kernel takes connections for a
    process that hangs, too.
    """

    locks: tuple[Held, ...]
    answers: bool
    silent: bool = False

    @property
    def serving(self) -> int:
        """The process that holds the lock of the socket, 0 if none does."""
        return next((lock.pid for lock in self.locks if lock.key == "socket_path"), 0)


def served_by_another(path: str, holder: str) -> str:
    """Return the text for a socket that another daemon serves."""
    return f"another cri-shim ({holder}) serves {path}; stop it, or use another socket_path"


def answered_by_another(path: str) -> str:
    """Return the text for a socket on which another program answers."""
    return f"something that is not cri-shim answers on {path}; use another socket_path"


def used_by_another(directory: str | Path, key: str, holder: str) -> str:
    """Return the text for a directory that another daemon uses."""
    return f"another cri-shim ({holder}) uses {directory}; stop it, or give this one a {key} of its own"


def pods_of_another(address: str, namespace: str, holder: str) -> str:
    """Return the text for a namespace of containerd that another daemon uses."""
    return (
        f"another cri-shim ({holder}) has the pods in namespace {namespace} of containerd at {address}; "
        "stop it, or use another containerd.namespace"
    )


def read_daemons(config: Config, place: Place) -> Daemons:
    """Find the holders of the locks. Blocks."""
    table = text_of(place.proc / "locks") or ""
    files = [(f"{config.socket_path}.lock", "socket_path", config.socket_path)]
    for key, directory in (("root", config.root), ("state", config.state)):
        files += [(f"{directory}/{name}", key, directory) for name in DIRECTORY_LOCKS]
    address, namespace = config.containerd.address, config.containerd.namespace
    files.append((namespace_lock_file(address, namespace), _NAMESPACE, address))
    locks = tuple(_held(place, table, *file) for file in files)
    path = str(place.at(config.socket_path))
    daemons = Daemons(locks, answers(path))
    return replace(daemons, silent=not _answers_a_call(path)) if daemons.serving and daemons.answers else daemons


def _answers_a_call(path: str) -> bool:
    """Ask for the version as any client does; an error is an answer, too. Blocks for at most :data:`PATIENCE` seconds.

    With a pool of its own, the channel is not the one of a client in this process whose call has failed before.
    """
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(f"unix:{path}", options) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(_VERSION)
        try:
            call(b"", timeout=PATIENCE)
        except grpc.RpcError as error:
            code = getattr(error, "code", lambda: None)()
            return code not in {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE}
    return True


def _held(place: Place, table: str, path: str, key: str, value: str) -> Held:
    file = place.at(path)
    try:
        status = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return Held(path, key, value)
    except OSError as error:
        return Held(path, key, value, reason=f"{path}: {(error.strerror or str(error)).lower()}")
    device = (os.major(status.st_dev), os.minor(status.st_dev))
    for lock_device, pid in holders(table, status.st_ino):
        # Some file systems (overlay, btrfs) show other device numbers to stat; there the pid in the file decides.
        if lock_device == device or _noted_pid(file) == pid:
            return Held(path, key, value, pid)
    return Held(path, key, value)


def holders(table: str, inode: int) -> list[tuple[tuple[int, int], int]]:
    """Return device and process of each flock on a file with this inode, from the text of /proc/locks."""
    held = []
    for line in table.splitlines():
        words = line.split()
        if len(words) < 8 or words[1] != "FLOCK":
            continue
        major, _, rest = words[5].partition(":")
        minor, _, number = rest.partition(":")
        if number == str(inode):  # a lock whose file is unknown has "<none>" instead of a device
            held.append(((int(major, 16), int(minor, 16)), int(words[4])))
    return held


def _noted_pid(file: Path) -> int:
    try:
        text = (text_of(file) or "").strip()
    except OSError:
        return 0
    return int(text) if text.isdecimal() else 0


def judge_daemons(daemons: Daemons, config: Config, place: Place) -> Iterator[Outcome]:
    """Judge who holds the locks: one daemon all of them, or none any."""
    serving = daemons.serving
    unreadable = [lock.reason for lock in daemons.locks if lock.reason]
    others: Sequence[Held] = [lock for lock in daemons.locks if lock.pid and lock.pid != serving]
    for lock in {(lock.pid, lock.key): lock for lock in others}.values():
        holder = f"process {lock.pid}"
        yield TWO_DAEMONS.report(
            pods_of_another(lock.place, config.containerd.namespace, holder)
            if lock.key == _NAMESPACE
            else used_by_another(lock.place, lock.key, holder),
            "see which configuration each process was started with:",
            f"$ ps -o pid,args -p {','.join(map(str, sorted({serving, lock.pid} - {0})))}",
        )
    if unreadable and not others:
        yield TWO_DAEMONS.unknown(f"whether another daemon is here cannot be seen: {unreadable[0]}", place.sudo())
    if serving:
        if daemons.silent:
            yield NOT_SERVING.report(
                f"the daemon (process {serving}) takes connections on {config.socket_path}, but has not answered a "
                f"call for {PATIENCE:g} s",
                "see whether it is stopped (state T), else what its log says, and restart it; pods keep running:",
                f"$ ps -o pid,stat,args -p {serving}",
                place.service("restart", "cri-shim"),
            )
        elif not daemons.answers:
            yield NOT_SERVING.report(
                f"the daemon (process {serving}) holds {config.socket_path}.lock, and nothing answers on the socket",
                "it may still be starting; else restart it:",
                place.service("restart", "cri-shim"),
            )
        else:
            yield NOT_RUNNING.fine(f"the daemon runs (process {serving}) and answers on {config.socket_path}")
    elif daemons.answers and not daemons.locks[0].reason:
        yield SOCKET_TAKEN.report(answered_by_another(config.socket_path), "see which program it is:", "$ ss -xlp")
    elif daemons.locks[0].reason:
        yield NOT_RUNNING.unknown(f"whether a daemon runs cannot be seen: {daemons.locks[0].reason}", place.sudo())
        yield NOT_SERVING.not_made("whether a daemon runs cannot be seen")
    elif not others:
        yield NOT_SERVING.not_made("no daemon runs")
        yield NOT_RUNNING.report(
            f"no daemon serves {config.socket_path}: rights, limits and mounts are judged as this shell has them",
            place.service("start", "cri-shim"),
        )
