"""Find the command that systemd starts containerd with: its program, and the configuration file that it reads."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from cri_shim.doctor.facts.unit_files import service_values
from cri_shim.doctor.facts.unit_words import first_command
from cri_shim.setup.targets import DROP_IN

UNIT: Final = "containerd.service"
DEFAULT_PROGRAM: Final = "/usr/bin/containerd"
DEFAULT_CONFIG: Final = "/etc/containerd/config.toml"
_PREFIXES: Final = re.compile(r"[@:+!|-]*")


class ContainerdCommand(Struct, frozen=True):
    """How systemd starts containerd without our drop-in."""

    unit: str = ""
    """The path of the unit; empty if there is none."""
    program: str = DEFAULT_PROGRAM
    arguments: tuple[str, ...] = ()
    """The arguments, without the one that names the configuration."""
    config: str = DEFAULT_CONFIG
    later: str = ""
    """A drop-in that replaces the command after ours, so that ours has no effect; empty if there is none."""
    prefix: str = ""
    """Characters before the program that say how systemd starts it (systemd.service(5))."""


def containerd_command(texts: list[tuple[str, str]]) -> ContainerdCommand:
    """Return what the unit and its drop-ins say together; ``texts`` is the result of :func:`unit_texts`."""
    command, later = "", ""
    for path, text in texts:
        name = path.rpartition("/")[2]
        given = service_values(text, "ExecStart")
        if not given or name == DROP_IN:
            continue
        command = next((one for one in reversed(given) if one), command)
        if path.endswith(f".d/{name}") and name > DROP_IN:
            later = path
    words = first_command(command)
    unit = texts[0][0] if texts and not texts[0][0].endswith(".conf") else ""
    if not words:
        return ContainerdCommand(unit=unit, later=later)
    arguments, config = _without_config(words[1:])
    prefix = _prefix(words[0])
    return ContainerdCommand(
        unit=unit,
        program=words[0].removeprefix(prefix),
        prefix=prefix,
        arguments=tuple(arguments),
        config=config.replace("%%", "%") or DEFAULT_CONFIG,  # other specifiers would not be in a path that is fixed
        later=later,
    )


def _prefix(word: str) -> str:
    match = _PREFIXES.match(word)
    return match.group() if match else ""


def _without_config(arguments: list[str]) -> tuple[list[str], str]:
    """Return the arguments without ``--config``, and its value."""
    rest: list[str] = []
    config, expected = "", False
    for argument in arguments:
        if expected:
            config, expected = argument, False
        elif argument in {"--config", "-config", "-c", "--c"}:
            expected = True
        elif argument.startswith(("--config=", "-config=", "-c=", "--c=")):
            config = argument.partition("=")[2]
        else:
            rest.append(argument)
    return rest, config
