"""Run the four commands of runc that a container's life needs, each of which is a process that ends.

``runc create`` leaves the container's first process behind, waiting for ``runc start``. It is not a child of this
process, so a pidfd (pidfd_open(2)) reports its end.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cri_shim.bench.floor.errors import FloorError
from untrusted import escaped

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT = 60.0
"""The time limit in seconds of one command, and of the end of a killed process."""
_SHOWN = 500


@dataclass(frozen=True, slots=True)
class Runc:
    """One runc program with a state folder of its own."""

    program: str
    root: Path
    systemd_cgroup: bool = False

    def create(self, container: str, bundle: Path) -> int:
        """Create the container; return a pidfd of its first process, which waits to be started."""
        pid_file = bundle / "pid"
        self._run(bundle, "create", "--bundle", str(bundle), "--pid-file", str(pid_file), container)
        return os.pidfd_open(int(pid_file.read_text()))

    def start(self, container: str, bundle: Path) -> None:
        """Let its first process run the container's program."""
        self._run(bundle, "start", container)

    def kill(self, container: str, bundle: Path) -> None:
        """Send the container SIGKILL."""
        self._run(bundle, "kill", container, "KILL")

    def delete(self, container: str, bundle: Path, *, force: bool = False) -> None:
        """Remove runc's state of it, and its cgroups; ``force`` also kills it, and accepts that none exists."""
        self._run(bundle, "delete", *(("--force",) if force else ()), container)

    def _run(self, bundle: Path, command: str, *arguments: str) -> None:
        """Run a command. Its standard output and error are the container's, so errors are read from a log file."""
        log = bundle / "runc.log"
        options = ["--root", str(self.root), "--log", str(log), "--log-format", "json"]
        if self.systemd_cgroup:
            options.append("--systemd-cgroup")
        try:
            done = subprocess.run(
                [self.program, *options, command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise FloorError(f"runc {command} did not end within {TIMEOUT:g} s") from error
        if done.returncode:
            raise FloorError(f"runc {command} failed: {_last_error(log) or f'exit code {done.returncode}'}")


def wait(pidfd: int) -> None:
    """Wait until the process has ended; raise `FloorError` if it does not."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    if not poll.poll(TIMEOUT * 1000):
        raise FloorError(f"a container that was killed did not end within {TIMEOUT:g} s")


def has_ended(pidfd: int) -> bool:
    """Return whether the process has ended."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def _last_error(log: Path) -> str:
    """Return runc's last message; empty when there is none."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    for line in reversed(lines):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("level") == "error":
            return escaped(str(entry.get("msg")))[:_SHOWN]
    return ""
