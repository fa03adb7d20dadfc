"""Make the changes of a plan, each recorded in the journal before it is made.

``after_step`` is called whenever something has reached the disk; tests break the set-up off there.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from cri_shim.kernel.small_file import read_small_file
from cri_shim.node_root import on_disk
from cri_shim.setup import targets
from cri_shim.setup.atomic_file import flush_directory, replace_file
from cri_shim.setup.checksum import checksum
from cri_shim.setup.journal import MadeDirectory, MadeFile, with_written
from cri_shim.setup.plan import MakeDirectory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cri_shim.setup.journal import Journal
    from cri_shim.setup.plan import Change, WriteFile


class ChangedMeanwhileError(Exception):
    """A file is not what was shown any more."""


def apply(change: Change, root: Path, journal: Journal, after_step: Callable[[], None] = lambda: None) -> None:
    """Make one change.

    Raises OSError naming the file, and :class:`ChangedMeanwhileError`.
    """
    if isinstance(change, MakeDirectory):
        _make_directory(change, root, journal, after_step)
    else:
        _write_file(change, root, journal, after_step)


def _make_directory(change: MakeDirectory, root: Path, journal: Journal, after_step: Callable[[], None]) -> None:
    place = on_disk(root, change.path)
    there = on_disk(root, change.path, follow=True).is_dir()
    if there and change.path != targets.STATE:  # the journal makes its own
        return
    journal.note(MadeDirectory(change.path))
    after_step()
    place.mkdir(exist_ok=True)
    place.chmod(change.mode)
    flush_directory(place.parent)
    after_step()


def _write_file(change: WriteFile, root: Path, journal: Journal, after_step: Callable[[], None]) -> None:
    place, new = on_disk(root, change.path), checksum(change.content)
    owner = _owner_of_what_was_shown(change, place)
    known = journal.file(change.path)
    if known is not None and checksum(change.before or b"") in known.written:
        journal.note(with_written(known, new))  # the copy of what was there before the first set-up stays
    elif change.before is None:
        journal.note(MadeFile(change.path, (new,)))
    else:
        backup = f"{change.path}{targets.BACKUP}"
        # The copy of what was there before the first set-up makes way for what others wrote since, and is forced now.
        replaceable = {checksum(change.before), known.before if known is not None else ""}
        _check_backup(on_disk(root, backup), replaceable)
        written = known.written if known is not None else ()
        journal.note(MadeFile(change.path, (*written, new), checksum(change.before), backup))
        after_step()
        replace_file(on_disk(root, backup), change.before, mode=change.mode, owner=owner)
    after_step()
    replace_file(place, change.content, mode=change.mode, owner=owner)
    after_step()


def _owner_of_what_was_shown(change: WriteFile, place: Path) -> tuple[int, int] | None:
    """Return the owner of the file that is replaced; raises :class:`ChangedMeanwhileError` if it has changed."""
    try:
        status = os.lstat(place)
    except FileNotFoundError:
        if change.before is not None:
            raise ChangedMeanwhileError(f"{change.path} is gone; run the set-up again") from None
        return None
    if change.before is None or read_small_file(place, targets.LARGEST) != change.before:
        raise ChangedMeanwhileError(f"{change.path} has changed meanwhile; run the set-up again")
    return status.st_uid, status.st_gid


def _check_backup(backup: Path, replaceable: set[str]) -> None:
    """Refuse to overwrite a copy that holds something else."""
    try:
        there = read_small_file(backup, targets.LARGEST)
    except FileNotFoundError:
        return
    if checksum(there) not in replaceable:
        raise OSError(errno.EEXIST, "there is another file where the copy would be", str(backup))
