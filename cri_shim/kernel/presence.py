"""Tell a file that does not exist from one that cannot be looked at.

``Path.exists()`` and its kin answer False for some errors, from Python 3.14 on for all of them: also where a disk fails
or a directory may not be searched. A removal that is skipped because of that answer leaves something behind without a
word.
"""

from __future__ import annotations

import errno
from pathlib import Path


def mode_of(path: Path | str) -> int | None:
    """Return the mode of the file at ``path``, links followed; None if there is none. Raises other OSErrors. Blocks.

    No file has a name that is too long, or one with a NUL.
    """
    try:
        return Path(path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return None
        raise


def entries_of(directory: Path) -> list[Path]:
    """Return the sorted content of a directory, empty for a missing directory. Raises all other OSErrors. Blocks."""
    try:
        return sorted(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
