"""Find a node's files when its file system lies below another directory, such as that of an image being built."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

_MOST_LINKS: Final = 40
"""Links on one path, as in Linux."""


def on_disk(root: Path, path: str, *, follow: bool = False) -> Path:
    """Return where the node's ``path`` is, for a node whose file system begins at ``root``. Blocks.

    Links on the way are links of the node: an absolute one begins at ``root``, too, and none leads out of it. A link
    at the end of the path is followed only on request. Raises OSError for links in a circle.
    """
    if root == Path("/"):
        return root / path.lstrip("/")
    place, links = root, 0
    parts = [part for part in reversed(path.split("/")) if part not in {"", "."}]
    while parts:
        part = parts.pop()
        if part == "..":
            place = place if place == root else place.parent
            continue
        target = _link(place / part) if parts or follow else None
        if target is None:
            place /= part
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(root / path.lstrip("/")))
        place = root if target.startswith("/") else place
        parts += [one for one in reversed(target.split("/")) if one not in {"", "."}]
    return place


def _link(place: Path) -> str | None:
    """Return where a link leads; None if there is no link."""
    return str(place.readlink()) if place.is_symlink() else None
