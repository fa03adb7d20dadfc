"""How QEMU is to run the guest's code: with KVM where that really works, or else by emulation.

That /dev/kvm is there says little: inside another virtual machine it may accept everything and then never run an
instruction. So the kernel is started with it, and has to say a word.
"""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

EMULATION = ("-accel", "tcg,thread=multi", "-cpu", "max")
KVM = ("-accel", "kvm", "-cpu", "host")
FIRST_WORDS = b"Linux version"
COMMAND_LINE = "earlyprintk=ttyS0 console=ttyS0 panic=-1"
PATIENCE_SECONDS = 4


def accelerator(program: str, kernel: Path) -> tuple[str, ...]:
    """QEMU's arguments."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return EMULATION
    return KVM if boots(program, KVM, kernel) else EMULATION


def boots(program: str, arguments: tuple[str, ...], kernel: Path) -> bool:
    """Whether the kernel says its first words within a few seconds."""
    bare = ("-nodefaults", "-display", "none", "-no-reboot", "-m", "256", "-serial", "stdio")
    command = [program, *arguments, *bare, "-kernel", str(kernel), "-append", COMMAND_LINE]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if process.stdout is None:
        raise RuntimeError("a pipe was asked for")
    os.set_blocking(process.stdout.fileno(), False)
    said, deadline = b"", time.monotonic() + PATIENCE_SECONDS
    try:
        while FIRST_WORDS not in said and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
            said += process.stdout.read() or b""
        return FIRST_WORDS in said
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
