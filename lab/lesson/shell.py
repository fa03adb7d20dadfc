"""One shell for a whole page: what a command sets, the next one sees."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from lab.lesson.page import SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable


GRACE: Final = 10.0
"""Seconds between SIGTERM, after which a command can clean up, and SIGKILL."""


class ShellError(RuntimeError):
    """A command that did not end in time; the text has what it had printed."""


class Shell:
    """A bash without a terminal. Its output has both streams."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["bash"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it. What it has started in the background goes on, as in a terminal that is left by ``exit``."""
        self._process.kill()
        self._process.wait()

    def run(
        self, commands: str, seconds: int = SECONDS, show: Callable[[str], None] = lambda _line: None
    ) -> tuple[int, str]:
        """Run commands; return the exit code of the last one, and what all have printed.

        ``show`` gets each line as soon as it is printed, so that a reader sees what a long command does.
        """
        mark = f"end-{secrets.token_hex(8)}"
        assert self._process.stdin is not None
        # The commands get no input: what follows them there is for the shell.
        self._process.stdin.write(f"{{\n{commands}\n}} < /dev/null\nprintf '%s %d\\n' {mark} $?\n")
        self._process.stdin.flush()
        lines: list[str] = []
        ended = threading.Event()
        timer = threading.Timer(seconds, self._end, [ended])
        timer.start()
        try:
            assert self._process.stdout is not None
            for line in self._process.stdout:
                before, seen_mark, code = line.partition(mark)
                lines.append(before)
                if before:
                    show(before)
                if seen_mark:
                    return int(code), "".join(lines)
        finally:
            ended.set()
            timer.cancel()
        raise ShellError(f"the shell has ended within {seconds} s of: {commands}\n{''.join(lines)}")

    def _end(self, ended: threading.Event) -> None:
        """End the shell and the command that it runs, which holds the output open for as long as it goes on."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            if ended.wait(GRACE):
                return
