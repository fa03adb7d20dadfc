"""Read a unit of systemd with its drop-ins, in the order in which they apply.

A distribution, a vendor and an administrator may each have a say, in the unit or in a drop-in (systemd.unit(5)): of
files with one name the one in the first directory counts, and drop-ins apply in the order of their names.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cri_shim.kernel.presence import mode_of
from cri_shim.kernel.small_file import read_small_file
from cri_shim.node_root import on_disk
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
_LARGEST: Final = 1 << 20
_COMMENT_LINES: Final = re.compile(r"^[ \t]*[#;].*\n?", re.MULTILINE)


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
    return [(path, decode_utf8(read_small_file(place, _LARGEST))) for path, place in there]


def service_values(text: str, name: str) -> list[str]:
    """Return the values that the section Service of a unit or drop-in gives a setting, in their order."""
    section, values = "", []
    # systemd leaves comments out before it joins continued lines.
    for line in _COMMENT_LINES.sub("", text).replace("\\\n", " ").splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            section = stripped
        given, equals, value = stripped.partition("=")
        if section == "[Service]" and equals and given.strip() == name:
            values.append(value.strip())
    return values


def _is_masked(root: Path, path: str) -> bool:
    """Return whether a unit or drop-in is a link to /dev/null, which hides those of its name in later directories."""
    place = on_disk(root, path)
    return place.is_symlink() and str(place.readlink()) == "/dev/null"
