"""Run a short-lived program from the event loop at the lowest cost.

``asyncio.create_subprocess_exec`` costs a thread per child with Python 3.11's default watcher, and even without the
thread more than twice the CPU time of this module (measured: 1.04, 0.68 and 0.29 ms per child). This module therefore
uses posix_spawn (no copy of this process's page tables, and no fork while gRPC's threads run), a memory file for the
input, pipes that the loop drains for the output, and a pidfd that reports the end without a signal handler or a thread.
The child is reaped a moment after its end (docs/adr/0039).

The program has ended when it exits, not when its output ends: a grandchild that keeps stdout open delays nothing.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CHUNK: Final = 1 << 16
OUTPUT_LIMIT: Final = 1 << 20  # bytes kept of stdout and stderr each; the rest is read and discarded
_UNKNOWN: Final = 255
_PAUSE: Final = 0.02  # seconds between reads of discarded output, so that a flood does not occupy the loop
_WIDE: Final = 1 << 20
"""Bytes that the pipe of a flood holds, so that these pauses do not hold up the program."""
_KILL_WAIT: Final = 2.0  # seconds; a process that SIGKILL has not ended by then hangs inside the kernel
_SIGNALS: Final = tuple(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
"""All that can be at their default. A program inherits what is ignored here: some by Python, more while the daemon
starts and when it ends. A plugin that relies on SIGALRM to end a command would wait for it for ever."""
_REAP_AFTER: Final = 0.05
"""Seconds between the end of a child and its reaping.

The last thread of a child reports the end, and afterwards removes its entry in /proc. Reaping removes the child's whole
entry: it finds that of the thread in removal and spins until the thread is through. On a busy machine the thread does
not get the core on which its report has just woken this process, so that reaping at once spins for a time slice.
"""


class Completed(Struct, frozen=True):
    """The result of a program: its exit code (negative: the signal that ended it) and its output."""

    exit_code: int
    stdout: bytes
    stderr: bytes


async def run_program(
    argv: Sequence[str], env: Mapping[str, str], stdin: bytes, *, time_limit: float, outlives_caller: bool = False
) -> Completed:
    """Run ``argv[0]``, an absolute path, to its end in a session of its own.

    Its whole process group is killed after ``time_limit`` seconds, and also when the caller is cancelled. With
    ``outlives_caller`` a cancellation leaves it running, because its work must not be interrupted. It is always reaped.
    Raises ``TimeoutError``, ``OSError`` if it cannot be started (ENOENT, EACCES, ETXTBSY, ENOEXEC), and ``ValueError``
    for arguments or an environment with a NUL.
    """
    loop = asyncio.get_running_loop()
    out, err = _Sink(loop), _Sink(loop)
    try:
        pid = _spawn(argv, env, stdin, out.write_end, err.write_end)
        _be_as_mortal_as_others(pid)
        out.start()
        err.start()
        exited = _watch(loop, pid)
        try:
            done, _ = await asyncio.wait({exited}, timeout=time_limit)
        except asyncio.CancelledError:
            if not exited.done() and not outlives_caller:  # not reaped, so the pid still belongs to our child
                _kill_group(pid)
            raise
        if not done:
            _kill_group(pid)
            await asyncio.wait({exited}, timeout=_KILL_WAIT)
            raise TimeoutError(f"{argv[0]} was killed after {time_limit:g} s")
        return Completed(exited.result(), out.take(), err.take())
    finally:
        out.close()
        err.close()


def _spawn(argv: Sequence[str], env: Mapping[str, str], stdin: bytes, stdout: int, stderr: int) -> int:
    source = os.memfd_create("stdin")
    try:
        os.write(source, stdin)
        os.lseek(source, 0, os.SEEK_SET)
        return os.posix_spawn(
            argv[0],
            list(argv),
            env,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, source, 0),
                (os.POSIX_SPAWN_DUP2, stdout, 1),
                (os.POSIX_SPAWN_DUP2, stderr, 2),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=_SIGNALS,
        )
    finally:
        os.close(source)


def _be_as_mortal_as_others(pid: int) -> None:
    """Give a child the default OOM score, because the low score of a node agent is not meant for its programs."""
    with suppress(OSError):
        if int(Path("/proc/self/oom_score_adj").read_text()) < 0:
            Path(f"/proc/{pid}/oom_score_adj").write_text("0")


def _watch(loop: asyncio.AbstractEventLoop, pid: int) -> asyncio.Future[int]:
    """Return a future of the exit code; the child is reaped even if its caller stops waiting."""
    exited: asyncio.Future[int] = loop.create_future()
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:  # out of file descriptors
        _kill_group(pid)
        os.waitpid(pid, 0)
        raise

    def read_code() -> None:
        loop.remove_reader(pidfd)
        os.close(pidfd)
        code = _exit_code(pid)
        loop.call_later(_REAP_AFTER, _reap, pid)
        if not exited.done():
            exited.set_result(code)

    loop.add_reader(pidfd, read_code)
    return exited


def _exit_code(pid: int) -> int:
    """Return the exit code of a child that has ended, and leave the child to be reaped."""
    try:
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    except ChildProcessError:  # other code in this process waits for all children
        return _UNKNOWN
    if ended is None:
        return _UNKNOWN
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def _reap(pid: int) -> None:
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


class _Sink:
    """One output pipe of a child, drained by the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._read_end, self.write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._read_end, False)
        self._bytes = bytearray()
        self._reading = False
        self._resting: asyncio.TimerHandle | None = None
        self._chunk = _CHUNK

    def start(self) -> None:
        os.close(self.write_end)
        self.write_end = -1
        self._resume()

    def _drain(self) -> bool:
        """Read the available output; return whether more output may follow that would be kept."""
        with suppress(BlockingIOError):
            chunk = os.read(self._read_end, self._chunk)
            self._bytes += chunk[: OUTPUT_LIMIT - len(self._bytes)]
            if not chunk:
                self._stop()
            elif len(self._bytes) >= OUTPUT_LIMIT:
                self._rest()
                return False
            return bool(chunk)
        return False

    def _rest(self) -> None:
        """Pause, and then go on discarding output."""
        self._stop()
        if self._chunk < _WIDE:
            self._chunk = _WIDE
            with suppress(PermissionError):  # the user's pipes hold much already: the program waits then
                fcntl.fcntl(self._read_end, fcntl.F_SETPIPE_SZ, _WIDE)
        self._resting = self._loop.call_later(_PAUSE, self._resume)

    def _resume(self) -> None:
        self._loop.add_reader(self._read_end, self._drain)
        self._reading = True

    def take(self) -> bytes:
        """Return all output up to the limit, including what the program wrote just before it ended."""
        while len(self._bytes) < OUTPUT_LIMIT and self._drain():
            pass
        return bytes(self._bytes)

    def close(self) -> None:
        self._stop()
        os.close(self._read_end)
        if self.write_end >= 0:
            os.close(self.write_end)

    def _stop(self) -> None:
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None
        if self._reading:
            self._loop.remove_reader(self._read_end)
            self._reading = False
