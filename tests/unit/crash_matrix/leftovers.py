"""Everything that a service may leave behind, as one table that is compared before and after."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cri_shim.lifecycle.handlers import all_snapshotters

if TYPE_CHECKING:
    from pathlib import Path

    from cri_shim.service import Service
    from tests.fakes.cni import FakeCni
    from tests.fakes.containerd import FakeContainerd
    from tests.fakes.kernel import RecordingKernel

_STAYS = frozenset({"fifo-holder.sock", "transport.json", "netns", "results"})
"""Files and directories that belong to the daemon and not to a pod."""


def leftovers(
    service: Service, fake: FakeContainerd, kernel: RecordingKernel, cni: FakeCni, directory: Path
) -> dict[str, list[str]]:
    """Return what there is, by kind: in containerd, in the kernel, on the disk, on the network and in memory."""
    space = fake.state[service.config.containerd.namespace]
    mounts, namespaces = kernel.left()
    return {
        "records": sorted(space.containers),
        "tasks": sorted(space.tasks),
        "processes in tasks": sorted(id_ for task in space.tasks.values() for id_ in task.execs),
        "snapshots": sorted(key for name in all_snapshotters(service.config) for key in space.snapshots.get(name, {})),
        "images": sorted(space.images),
        "blobs": sorted(space.content),
        "ingests": sorted(space.ingests),
        "leases": sorted(space.leases),
        "mounts": mounts,
        "namespaces": namespaces,
        "files": sorted(_files(directory / "daemon")),
        "on the network": sorted(cni.attached),
        "CNI results": sorted(_files(cni.cache_dir)),
        "pods": sorted(sandbox.id for sandbox in service.sandboxes),
        "containers": sorted(container.id for container in service.containers),
        "names": sorted(service.sandbox_names.holders() | service.container_names.holders()),
        "followed logs": sorted(container.id for container in service.containers if service.logs.follows(container.id)),
        "operations": ["in flight"] * len(service.operations),
    }


def difference(before: dict[str, list[str]], after: dict[str, list[str]]) -> str:
    """Say what is there that was not, and what has gone; empty when nothing has changed."""
    lines = []
    for kind, was in before.items():
        more, less = sorted(set(after[kind]) - set(was)), sorted(set(was) - set(after[kind]))
        lines += [f"{kind}: {each} is left" for each in more] + [f"{kind}: {each} is missing" for each in less]
    return "; ".join(lines)


def _files(top: Path) -> set[str]:
    """Return the paths of all files and directories below ``top``."""
    left = set()
    for directory, directories, files in os.walk(top):
        for name in (*directories, *files):
            if name not in _STAYS and not name.endswith(".lock"):
                left.add(os.path.relpath(f"{directory}/{name}", top.parent))
    return left
