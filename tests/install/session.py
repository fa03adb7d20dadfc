"""Type commands into one shell, as a person does: answer what they ask, and note how long each takes."""

from __future__ import annotations

import os
import pty
import re
import selectors
import subprocess
import time
from dataclasses import dataclass
from textwrap import indent
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MARK: Final = "@@"
QUESTION: Final = re.compile(rb"\[[yY]/[nN]\] ?$")
PATIENCE: Final = float(os.environ.get("LAB_PATIENCE", "1"))
LONGEST_SECONDS: Final = 900 * PATIENCE
SHOW: Final = os.environ.get("INSTALL_SHOW") == "1"
"""Whether to show what each command prints."""
_BEGIN: Final = re.compile(rf"^{MARK} begin (\d+)$")
_END: Final = re.compile(rf"^{MARK} end (\d+)$")


@dataclass(slots=True)
class Ran:
    """A command that was run: what it printed, its exit code (None while it runs), and its seconds."""

    command: str
    printed: str = ""
    code: int | None = None
    seconds: float = 0.0


class CommandError(AssertionError):
    """A command of the page does not do what the page says."""


def run_commands(
    enter: Sequence[str],
    commands: Sequence[str],
    *,
    prelude: str = "",
    environment: Mapping[str, str] | None = None,
    say: Callable[[str], None] = print,
) -> list[Ran]:
    """Run them in one shell, which keeps its variables; raises :class:`CommandError` with what a failed one said.

    ``enter`` is the beginning of the command line of that shell, ``prelude`` what it reads before.
    """
    ran: list[Ran] = []
    terminal, its_side = pty.openpty()
    shell = subprocess.Popen(
        [*enter, "bash", "-c", _script(prelude, commands)],
        stdin=its_side,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )
    os.close(its_side)
    try:
        _listen(shell, terminal, commands, ran, say)
    finally:
        shell.kill()
        shell.wait()
        os.close(terminal)
    if len(ran) < len(commands) or any(one.code != 0 for one in ran):
        last = ran[-1] if ran else Ran(prelude)
        raise CommandError(f"{last.command}\nended with {last.code}, after it had said:\n{last.printed[-4000:]}")
    return ran


def _script(prelude: str, commands: Sequence[str]) -> str:
    steps = [prelude]
    for index, command in enumerate(commands):
        steps += [
            f"echo; echo '{MARK} begin {index}'",
            command,
            f"code=$?; echo; echo '{MARK} end' $code; [ $code = 0 ] || exit",
        ]
    return "\n".join(steps)


def _listen(
    shell: subprocess.Popen[bytes],
    terminal: int,
    commands: Sequence[str],
    ran: list[Ran],
    say: Callable[[str], None],
) -> None:
    """Read what is printed, line by line, until the last command has ended.

    A daemon that a command has started may hold the output open for longer.
    """
    assert shell.stdout is not None
    began, rest, deadline = 0.0, b"", time.monotonic() + LONGEST_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(shell.stdout, selectors.EVENT_READ)
        while len(ran) < len(commands) or ran[-1].code is None:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise CommandError(f"not ended within {LONGEST_SECONDS:.0f} s: {ran[-1] if ran else shell.args!r}")
            more = os.read(shell.stdout.fileno(), 65536)
            if not more:
                return
            *lines, rest = (rest + more).split(b"\n")
            if QUESTION.search(rest):
                os.write(terminal, b"y\n")
            for line in (each.decode(errors="replace") for each in lines):
                if begin := _BEGIN.match(line):
                    ran.append(Ran(commands[int(begin[1])]))
                    began, deadline = time.monotonic(), time.monotonic() + LONGEST_SECONDS
                elif end := _END.match(line):
                    ran[-1].code, ran[-1].seconds = int(end[1]), time.monotonic() - began
                    ran[-1].printed = ran[-1].printed.strip("\n")
                    say(f"{ran[-1].seconds:7.1f} s  {ran[-1].command.splitlines()[0]}")
                    if SHOW and ran[-1].printed:
                        say(indent(ran[-1].printed, " " * 11))
                elif ran and ran[-1].code is None:
                    ran[-1].printed += f"{line}\n"
