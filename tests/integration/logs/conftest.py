"""Containers made of FIFOs and writers: what containerd's shim does, without containerd."""

from __future__ import annotations

import asyncio
import os
import re
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cri_shim.kernel import LinuxKernel
from cri_shim.logs.fifo import FifoSet
from cri_shim.logs.pump import LogPump

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cri_shim.logs.handle import LogHandle

ENTRY = re.compile(
    rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d) (stdout|stderr) ([FP]) (.*)", re.DOTALL
)


@dataclass
class ShimEnds:
    """Both ends of a container's output FIFOs, held as the shim holds them."""

    fifos: FifoSet
    writers: list[int] = field(default_factory=list)
    readers: list[int] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def open(self) -> None:
        """Open both ends; the daemon's reading end must be open already."""
        for path in (self.fifos.stdout, self.fifos.stderr):
            if path:
                self.writers.append(os.open(path, os.O_WRONLY | os.O_CLOEXEC))
                self.readers.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))

    def write(self, data: bytes, stream: int = 0) -> None:
        """Write all of it, waiting while the FIFO is full."""
        while data:
            data = data[os.write(self.writers[stream], data) :]

    def write_in_background(self, chunks: Iterable[bytes], stream: int = 0) -> threading.Thread:
        """Write chunk by chunk in a thread of its own."""

        def body() -> None:
            for chunk in chunks:
                self.write(chunk, stream)

        thread = threading.Thread(target=body, daemon=True)
        self.threads.append(thread)
        thread.start()
        return thread

    def close_stream(self, stream: int) -> None:
        """Close both ends of one of two, as the shim does when the container's process has closed it."""
        for ends in (self.writers, self.readers):
            os.close(ends.pop(stream))

    def close(self) -> None:
        """Close both ends, as the shim does when the container's output has ended."""
        for fd in (*self.writers, *self.readers):
            os.close(fd)
        self.writers.clear()
        self.readers.clear()


@pytest.fixture
def pump() -> Iterator[LogPump]:
    """A running pump."""
    pump = LogPump(LinuxKernel().tee)
    pump.start()
    yield pump
    assert pump.stop()


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Callable[..., tuple[ShimEnds, tuple[int, int | None]]]]:
    """Make a container: its FIFOs with the shim's ends open, and the daemon's reading ends."""
    made: list[ShimEnds] = []

    def make(name: str = "c1", *, tty: bool = False) -> tuple[ShimEnds, tuple[int, int | None]]:
        shim = ShimEnds(FifoSet.create(str(tmp_path / "io"), name, stdin=False, tty=tty))
        readers = shim.fifos.open_readers()
        shim.open()
        made.append(shim)
        return shim, readers

    yield make
    for shim in made:
        shim.close()


def entries(log: bytes, stream: bytes = b"stdout") -> list[tuple[bytes, bytes]]:
    """The (tag, content) of each entry of a stream; every line of the log must be an entry."""
    assert not log or log.endswith(b"\n")
    entries_read = []
    for line in log.split(b"\n")[:-1]:
        match = ENTRY.fullmatch(line)
        assert match, line
        if match[1] == stream:
            entries_read.append((match[2], match[3]))
    return entries_read


def text(log: bytes, stream: bytes = b"stdout") -> bytes:
    """What the container wrote, put together again."""
    return b"".join(content + (b"\n" if tag == b"F" else b"") for tag, content in entries(log, stream))


def log_of(handle: LogHandle) -> bytes:
    """Read the log file; nothing if it has not been made yet."""
    assert handle.path
    path = Path(handle.path)
    return path.read_bytes() if path.exists() else b""


async def until(condition: Callable[[], bool], seconds: float = 5) -> float:
    """Wait for something the pump's thread does; returns how long that took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, "it did not happen in time"
        await asyncio.sleep(0.001)
    return time.monotonic() - begun
