"""Take a set-up back, the last step first, wherever it broke off.

A file that others have changed since stays, and so does its entry in the journal, unless that is forced.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from cri_shim.kernel.small_file import read_small_file
from cri_shim.node_root import on_disk
from cri_shim.setup import targets
from cri_shim.setup.atomic_file import draft_of, flush_directory
from cri_shim.setup.checksum import checksum
from cri_shim.setup.journal import EnabledService, MadeDirectory, MadeFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cri_shim.setup.journal import Entry, Journal
    from cri_shim.setup.plan import Command

UndoKind = Literal["remove", "restore", "nothing", "refuse", "remove-directory", "keep-directory", "stop-service"]


_DIRECTORY: Final = "directory"
_OTHER: Final = "other"
"""A link, a device, or a file that is too large to be one of ours."""


class UndoStep(Struct, frozen=True):
    """What taking back one entry means now."""

    kind: UndoKind
    entry: Entry
    text: str


def undo_plan(entries: Sequence[Entry], root: Path, *, force: bool) -> list[UndoStep]:
    """Return the steps, in the order in which to make them. Blocks; raises OSError for what cannot be read."""
    steps: list[UndoStep] = []
    for entry in reversed(entries):
        step = _step(entry, root, force=force)
        if step.kind == "remove-directory" and any(_is_below(other, step.entry) for other in steps):
            step = replace(
                step, kind="keep-directory", text=f"the directory {_path(entry)} stays, as a file in it does"
            )
        steps.append(step)
    return steps


def undo_commands(steps: Sequence[UndoStep]) -> tuple[Command, ...]:
    """Return what systemd has to be asked for afterwards."""
    paths = {step.entry.path for step in steps if isinstance(step.entry, MadeFile) and step.kind != "refuse"}
    commands: list[Command] = []
    if any(path.startswith(f"{targets.UNITS}/") for path in paths):
        commands.append("daemon-reload")
    if {targets.CONTAINERD_CONFIG, targets.CONTAINERD_DROP_IN} & paths:
        commands.append("restart-containerd")
    return tuple(commands)


def take_back(step: UndoStep, root: Path, journal: Journal, after_step: Callable[[], None] = lambda: None) -> str:
    """Make one step that concerns files; return a remark if something stays. Raises OSError naming the file."""
    if step.kind in {"refuse", "keep-directory"} or isinstance(step.entry, EnabledService):
        return ""
    if step.entry.path == targets.STATE:
        return ""  # the journal is in it; :func:`finish` removes both
    place = on_disk(root, step.entry.path)
    remark = ""
    if isinstance(step.entry, MadeDirectory):
        remark = _remove_directory(place, step.entry.path)
    elif step.kind == "restore":
        # The copy has the owner and the mode of the file.
        on_disk(root, step.entry.backup).rename(place)
        flush_directory(place.parent)
    else:
        if step.kind == "remove":
            place.unlink(missing_ok=True)
        if step.entry.backup:
            on_disk(root, step.entry.backup).unlink(missing_ok=True)
    for path in _paths(step.entry):
        draft_of(on_disk(root, path)).unlink(missing_ok=True)
    after_step()
    journal.drop(step.entry)
    after_step()
    return remark


def finish(journal: Journal) -> None:
    """Remove the journal if nothing is left to take back, and its directory if the set-up made it."""
    left = [entry for entry in journal.entries if not _is_state(entry)]
    if not left and not journal.pending:
        journal.remove(with_directory=any(map(_is_state, journal.entries)))


def _is_state(entry: Entry) -> bool:
    return isinstance(entry, MadeDirectory) and entry.path == targets.STATE


def _is_below(step: UndoStep, directory: Entry) -> bool:
    """Return whether the step leaves something in ``directory``."""
    return step.kind in {"refuse", "keep-directory"} and _path(step.entry).startswith(f"{_path(directory)}/")


def _path(entry: Entry) -> str:
    return "" if isinstance(entry, EnabledService) else entry.path


def _paths(entry: Entry) -> list[str]:
    """Return where a write that broke off may have left a draft."""
    if not isinstance(entry, MadeFile):
        return []
    return [entry.path, entry.backup] if entry.backup else [entry.path]


def _step(entry: Entry, root: Path, *, force: bool) -> UndoStep:
    if isinstance(entry, EnabledService):
        return UndoStep("stop-service", entry, f"stop and disable {entry.unit}")
    if isinstance(entry, MadeDirectory):
        return UndoStep("remove-directory", entry, f"remove the directory {entry.path}, if it is empty")
    current = _checksum_of(on_disk(root, entry.path))
    backup = _checksum_of(on_disk(root, entry.backup)) if entry.backup else ""
    if current == entry.before:
        return UndoStep("nothing", entry, f"{entry.path} is as it was")
    if current == _DIRECTORY:
        return UndoStep("refuse", entry, f"{entry.path} was replaced by a directory and stays")
    if current and current not in entry.written and not force:
        return UndoStep("refuse", entry, f"{entry.path} was changed since by others and stays (--force)")
    if not entry.before:
        return UndoStep("remove", entry, f"remove {entry.path}")
    if backup != entry.before:
        return UndoStep("refuse", entry, f"{entry.path} stays: its copy {entry.backup} is gone or was changed")
    return UndoStep("restore", entry, f"put {entry.path} back as it was")


def _checksum_of(place: Path) -> str:
    """Return the checksum of a file; empty if there is none, and another word for what no set-up has written."""
    try:
        mode = os.lstat(place).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ""
    if stat.S_ISDIR(mode):
        return _DIRECTORY
    if not stat.S_ISREG(mode):
        return _OTHER
    try:
        return checksum(read_small_file(place, targets.LARGEST))
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        return _OTHER


def _remove_directory(place: Path, path: str) -> str:
    try:
        place.rmdir()
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{path} stays: {error.strerror}"
    return ""
