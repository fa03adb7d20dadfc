"""Find the command that systemd starts containerd with: its program, and the configuration file that it reads.

A distribution, a vendor and an administrator may each have a say, in the unit or in a drop-in (systemd.unit(5)): of
files with one name the one in the first directory counts, and drop-ins apply in the order of their names.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from cri_shim.kernel.presence import mode_of
from cri_shim.kernel.small_file import read_small_file
from cri_shim.node_root import on_disk
from cri_shim.setup.targets import DROP_IN, LARGEST
from untrusted import decode_utf8

if TYPE_CHECKING:
    from pathlib import Path

UNIT_DIRECTORIES: Final = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
UNIT: Final = "containerd.service"
DEFAULT_PROGRAM: Final = "/usr/bin/containerd"
DEFAULT_CONFIG: Final = "/etc/containerd/config.toml"
_PREFIXES: Final = re.compile(r"[@:+!|-]*")
_COMMENT_LINES: Final = re.compile(r"^[ \t]*[#;].*\n?", re.MULTILINE)


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


def unit_file(root: Path, unit: str) -> str:
    """Return the path of the unit that counts; empty if there is none. Blocks."""
    for directory in UNIT_DIRECTORIES:
        path = f"{directory}/{unit}"
        if _is_masked(root, path):
            return ""
        if on_disk(root, path, follow=True).is_file():
            return path
    return ""


def unit_texts(root: Path, unit: str) -> list[tuple[str, str]]:
    """Return the path and the text of a unit and of its drop-ins, in the order in which they apply. Blocks.

    Raises OSError for a file that cannot be read.
    """
    own = unit_file(root, unit)
    drop_ins: dict[str, str] = {}
    for place in reversed(UNIT_DIRECTORIES):
        directory = on_disk(root, f"{place}/{unit}.d", follow=True)
        if directory.is_dir():
            drop_ins |= {entry.name: f"{place}/{unit}.d/{entry.name}" for entry in directory.glob("*.conf")}
    paths = [*([own] if own else []), *(drop_ins[name] for name in sorted(drop_ins))]
    places = [(path, on_disk(root, path, follow=True)) for path in paths if not _is_masked(root, path)]
    # systemd skips a link that leads nowhere.
    there = [(path, place) for path, place in places if mode_of(place) is not None]
    return [(path, decode_utf8(read_small_file(place, LARGEST))) for path, place in there]


def _is_masked(root: Path, path: str) -> bool:
    """Return whether a unit or drop-in is a link to /dev/null, which hides those of its name in later directories."""
    place = on_disk(root, path)
    return place.is_symlink() and str(place.readlink()) == "/dev/null"


def containerd_command(texts: list[tuple[str, str]]) -> ContainerdCommand:
    """Return what the unit and its drop-ins say together; ``texts`` is the result of :func:`unit_texts`."""
    command, later = "", ""
    for path, text in texts:
        name = path.rpartition("/")[2]
        given = _commands(text)
        if not given or name == DROP_IN:
            continue
        command = next((one for one in reversed(given) if one), command)
        if path.endswith(f".d/{name}") and name > DROP_IN:
            later = path
    words = _words(command)
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
        config=config or DEFAULT_CONFIG,
        later=later,
    )


def _prefix(word: str) -> str:
    match = _PREFIXES.match(word)
    return match.group() if match else ""


def _commands(text: str) -> list[str]:
    """Return the values of ExecStart in the section Service."""
    section, values = "", []
    # systemd leaves comments out before it joins continued lines.
    for line in _COMMENT_LINES.sub("", text).replace("\\\n", " ").splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            section = stripped
        name, equals, value = stripped.partition("=")
        if section == "[Service]" and equals and name.strip() == "ExecStart":
            values.append(value.strip())
    return values


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # a quote without an end, which systemd does not accept either
        return []


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
