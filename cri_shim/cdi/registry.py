"""Find the node's CDI devices in the current files of its CDI directories.

Vendors' programs write and rewrite these files while the daemon runs, so each look-up compares names, times and sizes
with those of the previous one and reads what changed. Later directories win over earlier ones; a device that two files
of one directory describe is not available. A broken file affects only its own devices. Source: CDI SPEC.md, "CDI JSON
Specification"; the rules are those of its Go library.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from msgspec import Struct

from cri_shim.cdi.document import parse_document
from cri_shim.errors import FailedPreconditionError
from cri_shim.kernel.small_file import read_small_file
from cri_shim.node_faults import is_node_fault
from untrusted import shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cri_shim.cdi.model import Document, Edits

_SUFFIXES = frozenset({".json", ".yaml"})
_REASONS = 5
_LONGEST_PROBLEM = 500
_UNREAD = (-1, -1, -1)
"""The stamp of a file that could not be read through no fault of its own; the next look-up reads it again."""

FILE_LIMIT = 1 << 20
"""Largest CDI file in bytes."""

log = structlog.get_logger(__name__)


class _File(Struct, frozen=True):
    """One file as it was read: its ``stamp`` at that time, and either its content or why it cannot be used."""

    stamp: tuple[int, int, int]
    priority: int
    document: Document | None
    problem: str


class CdiRegistry:
    """Finds the edits of devices. All methods block and may be called from any thread."""

    def __init__(self, directories: Sequence[str]) -> None:
        self._directories = [Path(directory) for directory in directories]
        self._lock = threading.Lock()
        self._files: dict[Path, _File] = {}
        self._devices: dict[str, tuple[Path, Edits]] = {}
        self._problems: dict[Path, str] = {}

    def edits_of(self, names: Iterable[str]) -> list[Edits]:
        """Return the edits of the devices with these qualified names, in the order in which to make them.

        Raises FailedPreconditionError that names every missing device, and what is wrong with files that might have
        described them.
        """
        with self._lock:
            self._refresh()
            missing = [name for name in names if name not in self._devices]
            if missing:
                raise FailedPreconditionError(self._not_found(missing))
            result: list[Edits] = []
            begun = set[Path]()
            for name in names:
                path, edits = self._devices[name]
                document = self._files[path].document
                if path not in begun and document is not None:
                    begun.add(path)
                    result.append(document.container_edits)
                result.append(edits)
            return result

    def _not_found(self, missing: list[str]) -> str:
        reasons = [f"{path}: {problem}" for path, problem in sorted(self._problems.items())[:_REASONS]]
        where = ", ".join(map(str, self._directories))
        return (
            f"CDI device injection failed: unresolvable CDI devices {', '.join(missing)}; looked in {where}"
            + "".join(f"; {reason}" for reason in reasons)
        )

    def _refresh(self) -> None:
        directories: dict[Path, tuple[tuple[int, int, int], int]] = {}
        for priority, directory in enumerate(self._directories):
            for path in _entries(directory):
                try:
                    info = path.stat()
                except OSError:
                    continue  # it has just been removed
                directories[path] = ((info.st_ctime_ns, info.st_size, info.st_ino), priority)
        if {path: file.stamp for path, file in self._files.items()} == {
            p: stamp for p, (stamp, _) in directories.items()
        }:
            return
        known = self._files
        self._files = {
            path: known[path] if path in known and known[path].stamp == stamp else _read(path, stamp, priority)
            for path, (stamp, priority) in directories.items()
        }
        self._index()

    def _index(self) -> None:
        """Record which file describes which device; two files of one directory must not describe the same device."""
        self._problems = {path: file.problem for path, file in self._files.items() if file.problem}
        claims: dict[str, list[tuple[int, Path, Edits]]] = {}
        for path, file in sorted(self._files.items()):
            if file.document is not None:
                for device in file.document.devices:
                    name = f"{file.document.kind}={device.name}"
                    claims.setdefault(name, []).append((file.priority, path, device.container_edits))
        self._devices = {}
        for name, claimed in claims.items():
            highest = max(priority for priority, _, _ in claimed)
            best = [(path, edits) for priority, path, edits in claimed if priority == highest]
            if len(best) == 1:
                self._devices[name] = best[0]
                continue
            for path, _ in best:
                others = ", ".join(str(other) for other, _ in best if other != path)
                self._problems[path] = f"device {name} is also described in {others}"
        for path, problem in self._problems.items():
            log.warning("cdi.file_problem", path=str(path), error=problem)


def _entries(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if path.suffix in _SUFFIXES and not path.is_dir())
    except OSError as error:
        if is_node_fault(error):
            raise
        return []


def _read(path: Path, stamp: tuple[int, int, int], priority: int) -> _File:
    try:
        return _File(stamp, priority, parse_document(read_small_file(path, FILE_LIMIT)), "")
    except OSError as error:
        read = _UNREAD if is_node_fault(error) else stamp
        return _File(read, priority, None, error.strerror or str(error))
    except ValueError as error:
        return _File(stamp, priority, None, shorten(str(error), _LONGEST_PROBLEM))
