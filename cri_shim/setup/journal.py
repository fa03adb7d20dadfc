"""Record what a set-up makes, each step before it is made, so that it can be taken back wherever it broke off.

An entry says what there was and what there will be. Which of the two is there now is read from the disk: a step that
was recorded and not made looks like one that was taken back.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from cri_shim.kernel.small_file import read_small_file
from cri_shim.setup.atomic_file import draft_of, replace_file
from cri_shim.setup.plan import Command  # noqa: TC001 - msgspec resolves the hint

if TYPE_CHECKING:
    from pathlib import Path

_FORMAT: Final = 1
_LARGEST: Final = 1 << 20


class MadeDirectory(Struct, frozen=True, tag="directory"):
    """A directory that was missing."""

    path: str


class MadeFile(Struct, frozen=True, tag="file"):
    """A file that was missing or had another content."""

    path: str
    written: tuple[str, ...]
    """The checksums of what was written, by this set-up and by later ones."""
    before: str = ""
    """The checksum of what was there; empty for a file that was missing."""
    backup: str = ""
    """Where a copy of that is."""


class EnabledService(Struct, frozen=True, tag="service"):
    """A service that was enabled and started, and what it was before."""

    unit: str
    enabled: bool
    active: bool


Entry = MadeDirectory | MadeFile | EnabledService


class Content(Struct):
    """The content of the journal."""

    format: int = _FORMAT
    entries: list[Entry] = field(default_factory=list)
    pending: list[Command] = field(default_factory=list)
    """The commands that have to follow the changes and were not run yet."""


class JournalError(Exception):
    """The journal cannot be used; the text says why."""


class Journal:
    """The journal at ``path``; every change of it is on the disk before the method returns."""

    def __init__(self, path: Path, content: Content) -> None:
        self._path = path
        self._content = content

    @classmethod
    def read(cls, path: Path) -> Journal:
        """Read the journal, or begin one.

        Raises :class:`JournalError` for a file that is damaged or from later, and OSError naming the file.
        """
        try:
            content = msgspec.json.decode(read_small_file(path, _LARGEST), type=Content)
        except FileNotFoundError:
            return cls(path, Content())
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise JournalError(
                f"{path} is damaged ({error}), so nothing can be taken back with it: remove the files of the set-up "
                "by hand, put those ending in .before-cri-shim in their places, and remove the journal"
            ) from error
        if content.format != _FORMAT:
            raise JournalError(f"{path} has format {content.format}; this version knows {_FORMAT}")
        return cls(path, content)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries, in the order in which they were made."""
        return tuple(self._content.entries)

    @property
    def pending(self) -> tuple[Command, ...]:
        """The commands that were not run yet."""
        return tuple(self._content.pending)

    def known(self) -> dict[str, tuple[str, ...]]:
        """Return the checksums of what was written and of what was there before, by path."""
        files = (entry for entry in self._content.entries if isinstance(entry, MadeFile))
        return {entry.path: (entry.before, *entry.written) for entry in files}

    def file(self, path: str) -> MadeFile | None:
        """Return the entry of a file."""
        return next((one for one in self.entries if isinstance(one, MadeFile) and one.path == path), None)

    def note(self, entry: Entry) -> None:
        """Add an entry, or put it in the place of the one about the same thing."""
        key = _key(entry)
        for place, there in enumerate(self._content.entries):
            if _key(there) == key:
                self._content.entries[place] = entry
                break
        else:
            self._content.entries.append(entry)
        self._save()

    def note_service(self, entry: EnabledService) -> None:
        """Add a service, unless it is known what it was before the first set-up."""
        if all(_key(one) != _key(entry) for one in self._content.entries):
            self.note(entry)

    def drop(self, entry: Entry) -> None:
        """Remove an entry that was taken back."""
        self._content.entries.remove(entry)
        self._save()

    def note_pending(self, commands: tuple[Command, ...]) -> None:
        """Note the commands that have to be run."""
        if list(commands) != self._content.pending:
            self._content.pending = list(commands)
            self._save()

    def ran(self, command: Command) -> None:
        """Note that a command was run."""
        self.note_pending(tuple(one for one in self._content.pending if one != command))

    def remove(self, *, with_directory: bool) -> None:
        """Remove the journal, and its directory if that is wanted and nothing else is in it."""
        for path in (self._path, draft_of(self._path)):
            path.unlink(missing_ok=True)
        if with_directory:
            with suppress(OSError):  # the daemon has files in it
                self._path.parent.rmdir()

    def _save(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(self._path, msgspec.json.format(msgspec.json.encode(self._content), indent=1), mode=0o600)


def with_written(entry: MadeFile, checksum: str) -> MadeFile:
    """Return the entry of a file that gets another content once more."""
    return entry if checksum in entry.written else replace(entry, written=(*entry.written, checksum))


def _key(entry: Entry) -> tuple[str, str]:
    return type(entry).__name__, entry.unit if isinstance(entry, EnabledService) else entry.path
