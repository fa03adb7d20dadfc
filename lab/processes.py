"""Start, watch and end the daemons of a lab, each by its own process id, with its output in a log file."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from lab.patience import patient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class LabError(RuntimeError):
    """A part of the lab that did not start or stop; the text ends with the end of the log."""


@dataclass(slots=True)
class Daemon:
    """One program that keeps running. ``start`` may be called again after it ended."""

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id; raises :class:`LabError` when it does not run."""
        if self.process is None:
            raise LabError(f"{self.name} was not started")
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Return whether it runs."""
        return self.process is not None and self.process.poll() is None

    def start(self, ready: Callable[[], bool], seconds: float = 20) -> None:
        """Start it and wait until ``ready`` returns True; raises :class:`LabError` when it ends or takes too long."""
        if self.alive:
            raise LabError(f"{self.name} already runs as {self.pid}")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **self.environment},
            )
        deadline = time.monotonic() + patient(seconds)
        while not ready():
            if self.process.poll() is not None:
                raise LabError(f"{self.name} ended with {self.process.returncode} at its start\n{self.tail()}")
            if time.monotonic() > deadline:
                self.kill9()
                raise LabError(f"{self.name} was not ready within {seconds} s\n{self.tail()}")
            time.sleep(0.01)

    def signal(self, number: int) -> None:
        """Send it a signal; a process that is gone is fine."""
        if self.alive:
            os.kill(self.pid, number)

    def wait(self, seconds: float = 30) -> int:
        """Wait for its end; return the exit code (negative: the signal). Raises :class:`LabError` if it goes on."""
        if self.process is None:
            raise LabError(f"{self.name} was not started")
        try:
            return self.process.wait(patient(seconds))
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{self.name} did not end within {seconds} s\n{self.tail()}") from error

    def stop(self, seconds: float = 30) -> int:
        """Send SIGTERM, and SIGKILL if that takes too long; return the exit code, 0 if it was never started."""
        if self.process is None:
            return 0
        self.signal(signal.SIGTERM)
        try:
            return self.wait(seconds)
        except LabError:
            self.kill9()
            raise

    def kill9(self) -> None:
        """Kill it, without a chance to clean up."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            self.process.wait(patient(10))

    def tail(self, size: int = 4000) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-size:] if self.log.exists() else ""

    def rss_kib(self) -> int:
        """Return its resident memory in KiB."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        return 0

    def cpu_seconds(self) -> float:
        """Return its CPU seconds so far, user and system, with its reaped children."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(value) for value in fields[11:15]) / CLOCK_TICKS

    def open_files(self) -> list[str]:
        """Return the targets of its file descriptors."""
        files = []
        for entry in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                files.append(os.readlink(entry))
        return sorted(files)


def command_lines() -> Iterator[tuple[int, list[str]]]:
    """Yield the process id and arguments of everything that runs on this machine."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                arguments = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
                if arguments:
                    yield int(entry.name), arguments


def gone(pid: int) -> bool:
    """Return whether a process has ended; one whose parent has not noticed yet counts as gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def kill_and_wait(pid: int, seconds: float = 5) -> None:
    """Kill a process that is not our child, and wait until it is gone."""
    deadline = time.monotonic() + patient(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.01)


def reason_of(error: BaseException) -> str:
    """Return what went wrong; of an error that nobody expected, with its traceback."""
    match error:
        case grpc.aio.AioRpcError():
            return f"cri-shim answered {error.code().name}: {error.details()}"
        case grpc.RpcError():
            return f"cri-shim did not answer: {error}"
        case FileNotFoundError() if error.filename and "/" not in str(error.filename):
            return f"the program {error.filename} is not installed: run `make demo-packages` as root"
        case subprocess.CalledProcessError():
            said = error.stderr if isinstance(error.stderr, str) else (error.stderr or b"").decode(errors="replace")
            return f"{' '.join(map(str, error.cmd))} ended with {error.returncode}: {said.strip() or 'it said nothing'}"
        case LabError() | AssertionError() | TimeoutError() if str(error):
            return str(error)
        case KeyboardInterrupt():
            return "interrupted"
        case _:
            return "".join(traceback.format_exception(error)).rstrip()
