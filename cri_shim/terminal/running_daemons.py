"""Find a running daemon that uses another configuration file than the usual one.

Its command line names the file. So nothing has to be written when a daemon starts, nothing can be left behind when it
is killed, and daemons of every version are known.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from untrusted import escaped

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    from cri_shim.config import Config

PROC: Final = Path("/proc")
_NAME: Final = "cri-shim"
_MODULE: Final = "cri_shim.cli"
_FLAGS: Final = {
    "--config": "config",
    "--socket-path": "socket_path",
    "--containerd-address": "containerd_address",
}


class SeveralDaemonsError(Exception):
    """More than one daemon could be meant; the message lists them."""


@dataclass(frozen=True, slots=True)
class RunningDaemon:
    """A process that serves; the other fields are the flags of its command line, empty if not there."""

    pid: int
    config: str = ""
    socket_path: str = ""
    containerd_address: str = ""

    def options(self) -> dict[str, Path | str | None]:
        """Return the flags in the form in which this program parses them."""
        return {
            "config": Path(self.config) if self.config else None,
            "socket_path": self.socket_path or None,
            "containerd.address": self.containerd_address or None,
        }

    def __str__(self) -> str:
        """Return the flags that lead to it."""
        flags = [f"{flag} {getattr(self, name)}" for flag, name in _FLAGS.items() if getattr(self, name)]
        return escaped(f"{' '.join(flags) or 'no flags'} (process {self.pid})", 400)


def settings_of_running(options: argparse.Namespace, settings: Callable[[argparse.Namespace], Config]) -> Config:
    """Return the settings that the options name, or those of the one daemon that runs, if they name none.

    Raises ConfigError, and SeveralDaemonsError if several daemons run, none of them with the usual file.
    """
    config = settings(options)
    if options.config is not None or options.socket_path is not None or os.path.lexists(config.socket_path):
        return config
    daemons = [each for each in running_daemons() if each.config or each.socket_path]
    if len(daemons) > 1:
        lines = "\n".join(f"  {each}" for each in daemons)
        raise SeveralDaemonsError(f"no cri-shim serves {config.socket_path}, but these run; name one of them:\n{lines}")
    for daemon in daemons:
        vars(options).update(daemon.options())
        return settings(options)
    return config


def running_daemons(proc: Path = PROC) -> list[RunningDaemon]:
    """Return the daemons of this machine, without those in containers with a root of their own."""
    pids = sorted(int(entry.name) for entry in proc.iterdir() if entry.name.isdecimal())
    return [daemon for pid in pids for daemon in _daemon(proc / str(pid), pid)]


def _daemon(process: Path, pid: int) -> Iterator[RunningDaemon]:
    """Yield the process if it is a daemon that can be looked into, which needs the same rights as to ask it."""
    try:
        given = (process / "cmdline").read_bytes().split(b"\0")[:-1]
        arguments = _arguments([os.fsdecode(each) for each in given])
        if arguments is None or not (process / "root").samefile("/"):
            return
        directory = (process / "cwd").readlink()
    except OSError:
        return  # it has ended, or belongs to another user
    flags = dict(_flags(arguments))
    # A relative name starts at the daemon's own directory.
    yield RunningDaemon(pid, **{name: str(directory / path.removeprefix("unix://")) for name, path in flags.items()})


def _arguments(command: Sequence[str]) -> Sequence[str] | None:
    """Return what comes after ``serve`` in a command line of the daemon; None for any other program."""
    for place, part in enumerate(command[:4]):
        program = os.path.basename(part) == _NAME or (part == _MODULE and command[place - 1] == "-m")  # noqa: PTH119
        if program and command[place + 1 : place + 2] == ["serve"]:
            return command[place + 2 :]
    return None


def _flags(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the flags that lead to a daemon, in both forms that the command line allows."""
    for place, part in enumerate(arguments):
        flag, equals, value = part.partition("=")
        if flag in _FLAGS and (equals or place + 1 < len(arguments)):
            yield _FLAGS[flag], value if equals else arguments[place + 1]
