"""Replace a file so that it has either the old content or the new one, also after a crash of the machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_DRAFT: Final = ".cri-shim-new"


def draft_of(path: Path) -> Path:
    """Return where a new content is while it is not complete yet; the next attempt overwrites it."""
    return path.with_name(f"{path.name}{_DRAFT}")


def replace_file(path: Path, content: bytes, *, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Make or replace the regular file at ``path``. Blocks.

    Raises OSError naming the file.
    """
    draft = draft_of(path)
    draft.unlink(missing_ok=True)
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if owner is not None:
                os.fchown(descriptor, *owner)
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        draft.rename(path)
        flush_directory(path.parent)
    except OSError as error:
        draft.unlink(missing_ok=True)
        error.filename, error.filename2 = str(path), None
        raise


def flush_directory(directory: Path) -> None:
    """Write what was made, renamed or removed in ``directory`` to the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
