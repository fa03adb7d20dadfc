"""Addresses that the CNI plugin host-local has reserved for our pods.

It has a file for each address, named after it, whose first line is the id of the pod (plugins/ipam/host-local/backend).
A DEL removes the file; where no DEL can run any more, the address would stay taken for ever.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cri_shim.kernel.presence import entries_of
from cri_shim.kernel.small_file import read_small_file
from untrusted import DocumentError, decode_utf8, parse_object

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from untrusted import Object

DEFAULT_DIRECTORY: Final = Path("/var/lib/cni/networks")
_LARGEST: Final = 4096


def reserved_for(ids: Collection[str], sources: Iterable[bytes]) -> list[Path]:
    """Return the files of the reservations; ``sources`` are network configurations. Blocks.

    Raises OSError for a directory that cannot be read.
    """
    directories = {DEFAULT_DIRECTORY, *(place for source in sources for place in data_directories(source))}
    return sorted(
        file
        for directory in directories
        for network in entries_of(directory)
        if network.is_dir()
        for file in entries_of(network)
        if file.name[:1].isdigit() and _holder(file) in ids
    )


def data_directories(source: bytes) -> list[Path]:
    """Return the directories that a network configuration names for reservations."""
    try:
        document = parse_object(source)
        plugins = document.objects("plugins") if "plugins" in document else (document,)
    except DocumentError:
        return []
    return [place for plugin in plugins if (place := _data_directory(plugin)) is not None]


def _data_directory(plugin: Object) -> Path | None:
    try:
        ipam = plugin.object("ipam")
        place = ipam.text("dataDir") if ipam is not None and ipam.text("type") == "host-local" else ""
    except DocumentError:
        return None
    return Path(place) if place.startswith("/") and "\0" not in place else None


def _holder(file: Path) -> str:
    with suppress(OSError):  # released meanwhile, or not a file
        return decode_utf8(read_small_file(file, _LARGEST)).partition("\n")[0].strip()
    return ""
