"""Where the playground is, and what a later command must know of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from lab.cni import PodNetwork

if TYPE_CHECKING:
    from lab.lab import Kind, Lab

DEMO = Path(__file__).resolve().parents[2] / ".demo"
STATE = DEMO / "lab.json"
SideName = Literal["plugin", "pinned", "docker"]
SIDES: tuple[SideName, ...] = ("plugin", "pinned", "docker")
"""What may run beside the node: containerd with its own CRI plugin, pods without a pause process, Docker Engine."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node below a directory, with what cannot be read from there; without it, its network is unknown."""

    directory: str
    kind: Kind
    network_bridge: str = ""
    network_prefix: str = ""

    @classmethod
    def of(cls, lab: Lab) -> Node:
        """Note a node that is up."""
        return cls(str(lab.directory), lab.kind, lab.network.bridge, lab.network.prefix)

    @property
    def path(self) -> Path:
        """Return the directory."""
        return Path(self.directory)

    @property
    def endpoint(self) -> str:
        """Return the CRI endpoint."""
        socket = "bridge/cri-shim.sock" if self.kind == "bridge" else "containerd/c.sock"
        return f"unix://{self.path / socket}"

    @property
    def network(self) -> PodNetwork | None:
        """Return its pod network, if it is known."""
        if not self.network_bridge:
            return None
        return PodNetwork(self.path / "cni", self.network_bridge, self.network_prefix)


@dataclass(frozen=True, slots=True)
class Noted:
    """The content of :data:`STATE`."""

    nodes: tuple[Node, ...]
    line: str = ""
    """The line of containerd; empty for the installed one."""

    def write(self) -> None:
        """Write the file."""
        STATE.write_text(json.dumps(asdict(self), indent=2), encoding="utf-8")


def noted() -> Noted:
    """Return what was noted; where nothing was, because a start broke off, the nodes whose directories exist."""
    if STATE.exists():
        document = json.loads(STATE.read_text(encoding="utf-8"))
        return Noted(tuple(Node(**node) for node in document["nodes"]), document["line"])
    places = [(DEMO, "bridge"), (DEMO / "plugin", "plugin"), (DEMO / "pinned", "bridge")]
    return Noted(tuple(Node(str(place), cast("Kind", kind)) for place, kind in places if place.exists()))
