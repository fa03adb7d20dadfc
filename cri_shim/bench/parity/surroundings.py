"""Gather from the node what a pod has around its containers: the process of its sandbox, and its way to the network.

A runtime may keep a pod's namespaces without a process, run another pause program, or attach the pod by other plugins.
Containers show nothing of it, but it decides what a pod's start costs.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cri_shim.api.runtime.v1 import runtime_pb2 as cri

if TYPE_CHECKING:
    from collections.abc import Collection

    from cri_shim.bench.endpoint.node import Node

_PROC, _INTERFACES = Path("/proc"), Path("/sys/class/net")
_DIGITS = 12
NO_PROCESS = "none"
UNKNOWN = "the side does not say"
INTERFACE = "eth0"
ASK_INTERFACE = f"cd /sys/class/net/{INTERFACE} && echo mtu: $(cat mtu) && echo iflink: $(cat iflink)"
"""A script for the container; :func:`attachment` reads what it prints."""


def sandbox_process(sandbox: str, shims: Collection[int] = (), proc: Path = _PROC) -> str:
    """Return what runs in the cgroup of a sandbox: the programs with a digest of each, or that there is none."""
    own = re.compile(rf"[/:-]{re.escape(sandbox)}(\.scope)?$", re.MULTILINE)
    programs = []
    for process in (entry for entry in proc.iterdir() if entry.name.isdigit() and int(entry.name) not in shims):
        with contextlib.suppress(OSError):  # it ended meanwhile
            if own.search((process / "cgroup").read_text(encoding="utf-8", errors="replace")):
                programs.append(_program(process))
    return ", ".join(sorted(programs)) or NO_PROCESS


def _program(process: Path) -> str:
    """Return the first argument of a process, and the digest of its program."""
    argument = (process / "cmdline").read_bytes().split(b"\0", 1)[0].decode(errors="replace")
    with (process / "exe").open("rb") as program:
        digest = hashlib.file_digest(program, "sha256").hexdigest()
    return f"{argument} (sha256 {digest[:_DIGITS]})"


def attachment(printed: dict[str, str], interfaces: Path = _INTERFACES) -> dict[str, str]:
    """Return how the pod's interface is attached on the node, from what :data:`ASK_INTERFACE` printed."""
    link = printed.get("iflink", "")
    return {"attachment": _other_end(link, interfaces), "MTU": printed.get("mtu", "unknown")}


def _other_end(link: str, interfaces: Path) -> str:
    """Return what the interface with this index is on the node."""
    for interface in sorted(interfaces.iterdir()):
        with contextlib.suppress(OSError):  # it was removed meanwhile
            if (interface / "ifindex").read_text(encoding="ascii").strip() == link:
                port = interface / "brport"
                if not port.is_dir():
                    return "an interface of the node that belongs to no bridge"
                hairpin = (port / "hairpin_mode").read_text(encoding="ascii").strip() == "1"
                return f"a port of a bridge of the node, {'with' if hairpin else 'without'} hairpin"
    return "nothing that the node's own network has"


async def plugins(node: Node) -> str:
    """Return the chain of CNI plugins from the verbose status, or that the side does not say."""
    status = await node.client.ask("Status", cri.StatusRequest(verbose=True), cri.StatusResponse)
    return chain(dict(status.info))


def chain(info: dict[str, str]) -> str:
    """Return the types of the plugins of all networks but loopback, in their order."""
    try:
        networks: Any = json.loads(info.get("cniconfig", ""))["Networks"]
        types = [
            plugin["Network"]["type"]
            for network in networks
            for plugin in network["Config"]["Plugins"]
            if plugin["Network"]["type"] != "loopback"
        ]
    except (ValueError, KeyError, TypeError):
        return UNKNOWN
    return ", ".join(map(str, types)) or UNKNOWN
