"""Read small files of the node so that absent, present and unreadable stay three different answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cri_shim.kernel.small_file import read_small_file
from untrusted import decode_utf8

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST: Final = 4 << 20


def text_of(path: Path) -> str | None:
    """Return the text of a file, None if it does not exist.

    Raises other OSErrors. Blocks.
    """
    try:
        return decode_utf8(read_small_file(path, _LARGEST))
    except (FileNotFoundError, NotADirectoryError):
        return None


def number_of(path: Path) -> int | None:
    """Return the number that a file of /proc or /sys consists of; None if there is no such file, or no number in it.

    Raises other OSErrors. Blocks.
    """
    text = (text_of(path) or "").strip()
    return int(text) if text.lstrip("-").isdecimal() else None


def reason_of(error: OSError) -> str:
    """Return why the system refused something, with the path if there is one."""
    said = (error.strerror or str(error)).lower()
    return f"{error.filename}: {said}" if error.filename else said
