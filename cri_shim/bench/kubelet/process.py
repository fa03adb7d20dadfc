"""Start one kubelet, watch it, and end it; nothing else of the machine is ever sent a signal."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from untrusted.text import decode_utf8, escaped

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Sequence
    from pathlib import Path

_TO_END = 20.0
_VERSION_WITHIN = 20.0
_SHOWN = 2
"""Entries of its log in an error."""
_LONGEST_ENTRY = 500


class KubeletError(RuntimeError):
    """A kubelet that cannot be run, or that ended; the text has the end of its log."""


def version_of(program: Path) -> str:
    """Return what the program says of its version. Raises :class:`KubeletError` for one that does not run."""
    try:
        done = subprocess.run(
            [str(program), "--version"],
            capture_output=True,
            timeout=_VERSION_WITHIN,
            check=True,
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        raise KubeletError(f"--kubelet {program}: {error.strerror}") from error
    except subprocess.SubprocessError as error:
        raise KubeletError(f"--kubelet {program}: it does not print its version: {error}") from error
    return escaped(decode_utf8(done.stdout).partition("\n")[0].strip())


@dataclass(slots=True)
class RunningKubelet:
    """The process, and the file with what it prints."""

    process: Process
    log: Path

    @classmethod
    async def start(cls, command: Sequence[str], log: Path) -> RunningKubelet:
        """Start it; it ends when this process does, however that ends. Raises :class:`KubeletError`."""
        # setpriv sets prctl(PR_SET_PDEATHSIG), which lasts over exec, so the process is the kubelet's own.
        setpriv = shutil.which("setpriv")
        whole = [setpriv, "--pdeathsig", "TERM", *command] if setpriv else list(command)
        with log.open("ab") as output:
            try:
                process = await asyncio.create_subprocess_exec(
                    *whole, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
                )
            except OSError as error:
                raise KubeletError(f"{command[0]}: {error.strerror}") from error
        return cls(process, log)

    def check(self) -> None:
        """Raise :class:`KubeletError` if it has ended."""
        if self.process.returncode is not None:
            raise KubeletError(f"the kubelet ended with {self.process.returncode}: {self.last_words()}")

    async def stop(self) -> None:
        """End it, by force if it does not end in time; its pods go on."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), _TO_END)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    self.process.kill()
                await self.process.wait()

    def last_words(self) -> str:
        """Return the errors at the end of its log, or its last lines if there are none."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            return f"its log cannot be read: {error.strerror}"
        entries = _entries(lines)
        errors = [entry for entry in entries if entry.startswith(("E", "F"))] or entries
        return " / ".join(escaped(entry, _LONGEST_ENTRY) for entry in errors[-_SHOWN:]) or "it said nothing"


def _entries(lines: Sequence[str]) -> list[str]:
    """Return the entries of a log; what a long error adds on lines of its own is indented, and belongs to it."""
    entries: list[str] = []
    for line in lines:
        if line.startswith((" ", "\t")) and entries:
            entries[-1] += f" {line.strip()}"
        else:
            entries.append(line)
    return entries
