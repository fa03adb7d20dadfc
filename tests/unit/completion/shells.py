"""Ask a real shell what it completes."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import shlex
import shutil
import struct
import subprocess
import termios
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 30
UNSEEN = {ord("\r"): None, ord("\a"): None}
PLAIN = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "dumb"}


def program(name: str) -> str:
    """The shell; skips the test if there is none."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"there is no {name} on this machine")
    return path


def bash(script: Path, words: list[str], where: Path) -> list[str]:
    """What bash proposes for the last of the words."""
    array = " ".join(map(shlex.quote, words))
    command = f"""
        source {shlex.quote(str(script))}
        COMP_WORDS=({array}) COMP_CWORD={len(words) - 1}
        _cri_shim
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    return _lines([program("bash"), "--norc", "-c", command], where)


def fish(script: Path, words: list[str], where: Path) -> list[str]:
    """What fish proposes, without the descriptions."""
    line = " ".join(words)
    command = f"source {shlex.quote(str(script))}; complete --do-complete {shlex.quote(line)}"
    lines = _lines([program("fish"), "--no-config", "--command", command], where)
    return [each.partition("\t")[0] for each in lines]


def _lines(command: list[str], where: Path) -> list[str]:
    environment = PLAIN | {"HOME": str(where)}
    done = subprocess.run(
        command, cwd=where, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [line for line in done.stdout.splitlines() if line]


@contextmanager
def zsh(script: Path, where: Path) -> Iterator[Terminal]:
    """A terminal with a zsh, whose completion system works in a terminal only."""
    start = f"autoload -U compinit; compinit -u -D; source {shlex.quote(str(script))}; LISTMAX=100000"
    with _terminal([program("zsh"), "-f", "-i"], start, where) as terminal:
        yield terminal


@contextmanager
def bash_in_a_terminal(script: Path, where: Path) -> Iterator[Terminal]:
    """A terminal with a bash."""
    with _terminal([program("bash"), "--norc", "-i"], f"source {shlex.quote(str(script))}", where) as terminal:
        yield terminal


@contextmanager
def _terminal(command: list[str], start: str, where: Path) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 200, 200, 0, 0))
    process = subprocess.Popen(
        command, cwd=where, env=PLAIN | {"HOME": str(where)}, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    try:
        terminal = Terminal(ours)
        terminal.enter(start)
        yield terminal
    finally:
        process.kill()
        process.wait()
        os.close(ours)


@dataclass(slots=True)
class Terminal:
    """The user's side of a terminal in which a shell waits for a command."""

    descriptor: int
    entered: int = 0

    def enter(self, command: str) -> None:
        """Run a command, and wait for its end."""
        self.entered += 1
        # The quotes keep the echo of the line from looking like what it prints.
        os.write(self.descriptor, f"{command}; echo rea''dy-{self.entered}\n".encode())
        self.read([f"\nready-{self.entered}"])

    def shows(self, words: list[str], wanted: list[str]) -> None:
        """Type words and a tab, wait until all that is wanted is shown, and discard the line."""
        os.write(self.descriptor, f"{' '.join(words)}\t".encode())
        self.read(wanted)
        os.write(self.descriptor, b"\x15")
        self.enter("true")

    def read(self, wanted: list[str]) -> None:
        """Read what is written until it contains every text; raises AssertionError for what does not come."""
        shown, deadline = "", time.monotonic() + SECONDS
        while missing := [text for text in wanted if text not in shown]:
            assert time.monotonic() < deadline, f"{missing} not in {shown!r}"
            if select.select([self.descriptor], [], [], 1)[0]:
                shown += os.read(self.descriptor, 1 << 16).decode(errors="replace").translate(UNSEEN)
