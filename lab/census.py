"""Count what a node holds, so that a test can prove that nothing is left that was not there before.

Everything is read from outside (the kernel, containerd's own client, directories), nothing from the daemon itself.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from lab.containerd import mounts_below
from lab.patience import patient

if TYPE_CHECKING:
    from lab.lab import Lab

# These may become fewer: a leak of an earlier test may be noticed and ended meanwhile.
MAY_GO = (
    *("shims", "mounts", "netns_files", "directories", "cgroups"),
    *("ip_reservations", "veths", "iptables_rules", "cni_results"),
)


@dataclass(frozen=True, slots=True)
class Census:
    """What a node holds; every field is a set of names."""

    netns_files: frozenset[str]
    mounts: frozenset[str]
    containers: frozenset[str]
    tasks: frozenset[str]
    snapshots: frozenset[str]
    leases: frozenset[str]
    ingests: frozenset[str]
    images: frozenset[str]
    shims: frozenset[str]
    ip_reservations: frozenset[str]
    veths: frozenset[str]
    iptables_rules: frozenset[str]
    cni_results: frozenset[str]
    directories: frozenset[str]
    cgroups: frozenset[str]
    fifos_held: frozenset[str]

    @classmethod
    def take(cls, lab: Lab) -> Census:
        """Count now."""
        containerd, network = lab.containerd, lab.network
        with ThreadPoolExecutor(6) as pool:
            containers = pool.submit(_column, lab, "containers", "list", "--quiet")
            tasks = pool.submit(_column, lab, "tasks", "list", "--quiet")
            snapshots = pool.submit(_table, lab, "snapshots", "list")
            leases = pool.submit(_column, lab, "leases", "list", "--quiet")
            ingests = pool.submit(_table, lab, "content", "active")
            images = pool.submit(_column, lab, "images", "list", "--quiet")
        return cls(
            netns_files=frozenset(map(str, _entries(lab.state / "netns"))),
            mounts=frozenset(_mounts_of(lab.directory)),
            containers=containers.result(),
            tasks=tasks.result(),
            snapshots=snapshots.result(),
            leases=leases.result(),
            ingests=ingests.result(),
            images=images.result(),
            shims=frozenset(f"shim {pid}" for pid, _ in containerd.shims()),
            ip_reservations=frozenset(network.reservations()),
            veths=frozenset(network.veths()),
            iptables_rules=frozenset(network.iptables_rules()),
            cni_results=frozenset(network.cached_results()),
            directories=frozenset(
                str(entry)
                for base in (lab.root, lab.state)
                for kind in ("sandboxes", "containers")
                for entry in _entries(base / kind)
            ),
            cgroups=frozenset(str(path) for path in lab.cgroups()),
            fifos_held=frozenset(path for path in lab.served_by.open_files() if path.startswith(str(lab.state)))
            if lab.served_by.alive
            else frozenset(),
        )

    def difference(self, later: Census) -> str:
        """Return what is new and what is gone, one line each; empty when nothing changed."""
        lines = []
        for field in fields(self):
            before, after = getattr(self, field.name), getattr(later, field.name)
            lines += [f"{field.name}: left behind {name}" for name in sorted(after - before)]
            if field.name not in MAY_GO:
                lines += [f"{field.name}: lost {name}" for name in sorted(before - after)]
        return "\n".join(lines)


async def wait_clean(lab: Lab, before: Census, seconds: float = 5) -> str:
    """Wait until the node holds what it held before; return what still differs in the end, or nothing."""
    deadline = time.monotonic() + patient(seconds)
    while difference := before.difference(await asyncio.to_thread(Census.take, lab)):
        if time.monotonic() > deadline:
            return difference
        await asyncio.sleep(0.1)
    return ""


def _column(lab: Lab, *command: str) -> frozenset[str]:
    return frozenset(lab.containerd.ctr(*command).split())


def _table(lab: Lab, *command: str) -> frozenset[str]:
    """Return the first column of a table without its head."""
    lines = lab.containerd.ctr(*command).splitlines()[1:]
    return frozenset(line.split()[0] for line in lines if line.strip())


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []


def _mounts_of(directory: Path) -> list[str]:
    """Return the mount points below the lab, and mounts elsewhere of its files (such as an inspected snapshot)."""
    elsewhere = [
        line.split()[4]
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
        if f"{directory}/" in line.partition(" - ")[2]
    ]
    return [*mounts_below(directory), *elsewhere]
