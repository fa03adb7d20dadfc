"""What the script needs to make the same pod as the sides: written once to a file, then only read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

STATES = Path("/run/cri-compare-floor")
"""Where every script has a folder of its own, named by its process id."""

Order = Literal["serial", "overlapped"]
ORDERS: tuple[Order, ...] = ("serial", "overlapped")
Kind = Literal["with pause", "without pause"]
WITH_PAUSE: Kind = "with pause"
WITHOUT_PAUSE: Kind = "without pause"


class Container(Struct, frozen=True):
    """One container: its runtime spec from the side, and the layers below its root."""

    spec: dict[str, Any]
    lower: str
    """In the form of overlayfs: directories, the uppermost first, separated by colons."""
    options: tuple[str, ...] = ()
    """Options of the overlay, besides its directories."""


class Network(Struct, frozen=True):
    """The node's CNI configuration: one chain of plugins, and where their programs are."""

    name: str
    version: str
    plugins: tuple[dict[str, Any], ...]
    bin_dirs: tuple[str, ...]


class Recipe(Struct, frozen=True):
    """Everything that the script needs for a pod."""

    container: Container
    pause: Container | None
    """None if the sides run no pause process, in which case the script does not either."""
    network: Network
    runc: str
    disk: str
    """A folder for the writable layers of roots."""
    cgroup_parent: str
    """A path, or a path of systemd slices."""
    files: dict[str, str] = {}
    """What the side wrote for its pod (hosts, resolv.conf …): from the path in the spec to the content."""
    folders: tuple[str, ...] = ()
    """Folders that the side made for its pod; the script's own are empty."""
    hostname: str = ""
    sysctls: dict[str, str] = {}
    """By path below /proc/sys; the script sets them in the namespaces of a pod without a pause container."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of pods that this recipe allows."""
        return (WITH_PAUSE, WITHOUT_PAUSE) if self.pause else (WITHOUT_PAUSE,)

    @property
    def systemd_cgroup(self) -> bool:
        """Whether runc lets systemd make the cgroups."""
        return self.cgroup_parent.endswith(".slice")


class Variant(Struct, frozen=True):
    """A request to the script: a pod of this kind, started and ended in this order."""

    kind: Kind
    order: Order


class Outcome(Struct, frozen=True):
    """The script's answer: milliseconds, or an error."""

    start: float = 0.0
    end: float = 0.0
    stages: dict[str, float] = {}
    """Milliseconds by stage of the start and of the end, in the order in which they began."""
    error: str = ""


def save(recipe: Recipe, path: Path) -> None:
    """Write a recipe to a file."""
    path.write_bytes(msgspec.json.encode(recipe))


def load(path: Path) -> Recipe:
    """Read a recipe from a file; raises OSError or :class:`msgspec.ValidationError`."""
    return msgspec.json.decode(path.read_bytes(), type=Recipe)
