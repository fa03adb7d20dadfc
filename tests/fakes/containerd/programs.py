"""What the processes of the fake do: nothing runs, but each ends as its command line says.

A container's own process runs until a signal ends it, an exec process ends at once with 0, unless the last argument
says otherwise in one of the shell's forms below; :attr:`FakeContainerd.program` replaces all of this.

- ``exit N``: end at once with that code.
- ``trap 'exit N' TERM``: run, and end with that code at SIGTERM.
- ``trap '' TERM``: run, and ignore SIGTERM.
- ``sleep``, ``cat``, ``while`` anywhere: run until a signal ends it.
- ``echo WORDS``: write them to stdout and end with 0.
"""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass, field

IGNORED_BY_DEFAULT = frozenset({0, signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT})


@dataclass(frozen=True)
class Program:
    """How one process behaves."""

    exits: int | None = None
    """End right after the start with this code; None runs on."""
    ignores: frozenset[int] = frozenset()
    """Signals that do not end it; SIGKILL always does."""
    exit_codes: dict[int, int] = field(default_factory=dict)
    """The code for a signal that it handles; any other ends it with 128 and the signal's number."""
    output: bytes = b""
    """What it writes to stdout when it starts."""
    error_output: bytes = b""
    """What it writes to stderr when it starts."""

    def end_by(self, number: int) -> int | None:
        """Return the exit code after a signal; None when the process lives on."""
        if number != signal.SIGKILL and (number in self.ignores or number in IGNORED_BY_DEFAULT):
            return None
        return self.exit_codes.get(number, 128 + number)


def program_of(arguments: list[str], *, is_exec: bool) -> Program:
    """Return what a command line does."""
    script = arguments[-1] if arguments else ""
    echoed = re.search(r"echo ([^;&|>]*)", " ".join(arguments))
    output = f"{echoed[1].strip()}\n".encode() if echoed else b""
    if trapped := re.search(r"trap '(?:exit (\d+))?' TERM", script):
        if trapped[1] is None:
            return Program(ignores=frozenset({signal.SIGTERM}), output=output)
        return Program(exit_codes={signal.SIGTERM: int(trapped[1])}, output=output)
    if ended := re.search(r"\bexit (\d+)", script):
        return Program(exits=int(ended[1]), output=output)
    if re.search(r"\b(sleep|cat|while)\b", " ".join(arguments)):
        return Program(output=output)
    return Program(exits=0 if is_exec or echoed else None, output=output)
