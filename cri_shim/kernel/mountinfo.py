"""Read /proc/self/mountinfo: what is mounted where, and how mounts propagate (proc_pid_mountinfo(5))."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from msgspec import Struct

Propagation = Literal["shared", "slave", "private", "unbindable"]


class MountPoint(Struct, frozen=True):
    """One line of mountinfo; of several lines with the same path, the later mount is on top."""

    id: int
    parent: int
    device: str
    root: str
    path: str
    options: tuple[str, ...]
    propagation: tuple[str, ...]
    fstype: str
    source: str
    super_options: tuple[str, ...]

    @property
    def shared(self) -> bool:
        """Return whether mounts below it appear in its peers (needed for Bidirectional propagation)."""
        return any(word.startswith("shared:") for word in self.propagation)

    @property
    def slave(self) -> bool:
        """Return whether it receives mounts from a master (like shared, enough for HostToContainer propagation)."""
        return any(word.startswith("master:") for word in self.propagation)

    @property
    def kind(self) -> Propagation:
        """Return the propagation as one word; a mount that is both shared and slave counts as shared."""
        if self.shared:
            return "shared"
        if self.slave:
            return "slave"
        return "unbindable" if "unbindable" in self.propagation else "private"


def parse_mountinfo(text: str) -> list[MountPoint]:
    """Parse the whole file; malformed lines are left out."""
    return [mount for line in text.splitlines() if (mount := _parse_line(line)) is not None]


def read_mountinfo(path: str = "/proc/self/mountinfo") -> list[MountPoint]:
    """Read and parse the mounts of this process. Blocks, but only for as long as the kernel's mount lock."""
    return parse_mountinfo(Path(path).read_text(errors="surrogateescape"))


def mount_of(path: str, mounts: list[MountPoint]) -> MountPoint:
    """Return the mount that contains ``path``, which is absolute and without links; raises ``LookupError``."""
    best: MountPoint | None = None
    for mount in mounts:
        if _is_below(path, mount.path) and (best is None or len(mount.path) >= len(best.path)):
            best = mount
    if best is None:
        raise LookupError(f"no mount contains {path}")
    return best


def mounts_under(prefix: str, mounts: list[MountPoint]) -> list[MountPoint]:
    """Return the mounts at or below ``prefix`` in the order in which to unmount them (newest first)."""
    return [mount for mount in reversed(mounts) if _is_below(mount.path, prefix)]


def _is_below(path: str, prefix: str) -> bool:
    prefix = prefix.rstrip("/")
    return path == prefix or path.startswith(f"{prefix}/")


def _parse_line(line: str) -> MountPoint | None:
    words = line.split(" ")
    try:
        dash = words.index("-", 6)
        return MountPoint(
            id=int(words[0]),
            parent=int(words[1]),
            device=words[2],
            root=_unescape(words[3]),
            path=_unescape(words[4]),
            options=tuple(words[5].split(",")),
            propagation=tuple(words[6:dash]),
            fstype=words[dash + 1],
            source=_unescape(words[dash + 2]),
            super_options=tuple(words[dash + 3].split(",")) if len(words) > dash + 3 else (),
        )
    except (ValueError, IndexError):
        return None


def _unescape(word: str) -> str:
    r"""Undo the kernel's octal escapes of space, tab, newline and backslash (``\040`` and so on)."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), word)
