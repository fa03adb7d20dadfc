"""A node where a program that counts its calls is in the shim's place, and hands each on to the real one."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.containerd import binaries_named
from lab.lab import Lab
from lab.patience import patient

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PROGRAM = "containerd-shim-runc-v2"
COUNTING = """#!/bin/sh
for word do
    [ "$before" = -id ] && id=$word
    before=$word
done
echo "$word $id" >>{calls}
exec {program} "$@"
"""


@dataclass(slots=True)
class CountingLab(Lab):
    """A node whose containerd finds the counting program first."""

    def serve(self) -> None:
        """Put the program on containerd's path."""
        self.counting.parent.mkdir()
        self.counting.write_text(COUNTING.format(calls=self.calls_file, program=self.program))
        self.counting.chmod(0o755)
        daemon = self.containerd.daemon
        path = daemon.environment.get("PATH", os.environ["PATH"])
        daemon.environment = {**daemon.environment, "PATH": f"{self.counting.parent}:{path}"}
        Lab.serve(self)

    @property
    def counting(self) -> Path:
        """The program that counts, which containerd takes for the shim's."""
        return self.directory / "counting" / PROGRAM

    @property
    def calls_file(self) -> Path:
        """Where the calls are counted."""
        return self.directory / "calls"

    @property
    def program(self) -> str:
        """The path of the shim's real program."""
        binaries = binaries_named()
        return str(binaries / PROGRAM if binaries else shutil.which(PROGRAM))

    @property
    def script(self) -> Path:
        """The path of the script."""
        return self.root / "shim-calls"

    def calls(self) -> list[str]:
        """The calls that have reached the program."""
        return self.calls_file.read_text().splitlines() if self.calls_file.exists() else []

    def noted(self, id_: str) -> str:
        """Return which program containerd would run for a container after a restart."""
        state = self.containerd.state / "io.containerd.runtime.v2.task" / "k8s.io"
        return (state / id_ / "shim-binary-path").read_text()

    def kill_shim(self, pod: str) -> None:
        """Kill the shim of a pod, as the kernel does when memory is short."""
        (pid,) = (pid for pid, arguments in self.containerd.shims() if pod in arguments)
        os.kill(pid, signal.SIGKILL)


async def until(condition: Callable[[], object]) -> None:
    """Wait until it is true."""
    async with asyncio.timeout(patient(10)):
        while not condition():
            await asyncio.sleep(0.02)
