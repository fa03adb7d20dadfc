"""One run of the guest: QEMU with its disks, the suites' words as they come, and the results that were left behind.

The disks are opened as snapshots: what the guest writes lies in temporary files and goes with it. Results come back on
a bare disk to which the guest writes a tar archive; no network and no shared file system is needed.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.guest.accelerator import accelerator
from tests.guest.commands import run
from tests.guest.errors import GuestError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.guest.base import Base

PROGRAM = "qemu-system-x86_64"
MEMORY_MIB = 3072
CPUS = 2
RESULTS_BYTES = 256 << 20
COMMAND_LINE = "root=/dev/vda rw console=ttyS0 quiet"


@dataclass(frozen=True, slots=True)
class Run:
    """What is needed for one run; ``directory`` takes the console's log and the results."""

    base: Base
    project: Path
    directory: Path
    arguments: str = ""

    @property
    def console(self) -> Path:
        """What kernel and systemd have said."""
        return self.directory / "console.log"

    def boot(self, say: Callable[[str], None], seconds: float) -> Path:
        """Boot, hand on each line of the suites, and give the folder with what they have left.

        A machine that has not ended after ``seconds`` is ended; the suites that hung then have left nothing, which is
        their fault. Raises :class:`GuestError` when QEMU fails, and when the suites never began.
        """
        if shutil.which(PROGRAM) is None:
            raise GuestError(f"{PROGRAM} is not installed")
        disk = self.directory / "results.img"
        with disk.open("wb") as file:
            file.truncate(RESULTS_BYTES)
        how = accelerator(PROGRAM, self.base.kernel)
        say(f"booting, {'with KVM' if 'kvm' in how else 'emulated'}")
        errors = self.directory / "qemu.log"
        with errors.open("wb") as log:
            process = subprocess.Popen(
                [PROGRAM, *how, *self._hardware(disk)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
            )
        late = threading.Timer(seconds, process.kill)
        late.start()
        began = False
        try:
            for line in process.stdout or ():
                began = True
                say(line.decode(errors="replace").rstrip())
            code = process.wait()
        finally:
            process.kill()
            process.wait()
            ended = late.is_alive()
            late.cancel()
        if not ended:
            say(f"the guest did not end within {seconds:.0f} s{self._last_words()}")
        elif code:
            raise GuestError(f"{PROGRAM} ended with {code}: {errors.read_text(errors='replace').strip()[-2000:]}")
        if not began:
            raise GuestError(f"the suites did not begin{self._last_words()}")
        return self._unpacked(disk)

    def _hardware(self, results: Path) -> list[str]:
        drives = ((self.base.image, "on"), (self.project, "on"), (results, "off"))
        return [
            *("-machine", "q35", "-smp", str(CPUS), "-m", str(MEMORY_MIB)),
            *("-nodefaults", "-display", "none", "-no-reboot", "-nic", "none"),
            *("-serial", f"file:{self.console}", "-serial", "stdio"),
            *("-device", "virtio-rng-pci"),
            *("-kernel", str(self.base.kernel), "-initrd", str(self.base.initrd)),
            *("-append", " ".join(filter(None, (COMMAND_LINE, self.base.command_line, self.arguments)))),
            *(word for disk, temporary in drives for word in ("-drive", drive(disk, temporary))),
        ]

    def _unpacked(self, disk: Path) -> Path:
        target = self.directory / "results"
        target.mkdir()
        with contextlib.suppress(GuestError):  # nothing was written, or the machine was killed while it wrote
            run("tar", "--extract", "--file", str(disk), "--directory", str(target), "--no-same-owner")
        disk.unlink()
        return target

    def _last_words(self) -> str:
        said = self.console.read_text(errors="replace").strip() if self.console.exists() else ""
        return f"; the end of its console:\n{said[-2000:]}" if said else ", nor said a word"


def drive(image: Path, temporary: str) -> str:
    """QEMU's description of a disk; in it, a comma is written twice."""
    return f"file={str(image).replace(',', ',,')},if=virtio,format=raw,snapshot={temporary},cache=unsafe"
