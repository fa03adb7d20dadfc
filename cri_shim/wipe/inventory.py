"""Read what this daemon has, on the node and in containerd. Nothing is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from containerd_client import call_options
from cri_shim.images.names import MANAGED
from cri_shim.images.unpack import LEASE_LABELS
from cri_shim.kernel.executors import FS, run
from cri_shim.lifecycle.handlers import all_snapshotters
from cri_shim.state.stored.metadata import KIND_LABEL, read_container, read_sandbox
from cri_shim.sync.load import netns_in_spec
from cri_shim.sync.owned_snapshots import IMAGE_MOUNT, OWN_ROOT
from cri_shim.wipe.marks import OwnIds, ids_in_containerd, ids_on_disk
from cri_shim.wipe.on_node import read_node
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from containerd_client import Containerd
    from containerd_client.api.containerd.services.containers.v1.containers_pb2 import Container as Record
    from cri_shim.config import Config
    from cri_shim.paths import Paths

KINDS: Final = (
    *("pods", "containers", "tasks", "snapshots", "leases", "images", "shims"),
    *("networks", "reservations", "namespaces", "mounts", "cgroups", "directories"),
)
"""The kinds of what there is, in the order in which they are shown."""

_SECONDS: Final = 10.0


class Inventory(Struct, frozen=True):
    """What there is: names by kind, and the ids that they belong to."""

    ids: OwnIds
    names: Mapping[str, tuple[str, ...]]
    others: Mapping[str, int] = {}
    """How many records of others there are, by what they are."""

    @property
    def empty(self) -> bool:
        """Whether nothing of this daemon is left, of any kind."""
        return not any(self.names.values())


async def take_inventory(
    config: Config, paths: Paths, containerd: Containerd | None, known: OwnIds, *, images: bool
) -> Inventory:
    """Read everything; without ``containerd`` only what is on the node.

    ``known`` are ids from an earlier inventory, whose records may be gone. Raises ContainerdError and OSError.
    """
    ids = known.joined(await run(FS, ids_on_disk, paths))
    names: dict[str, tuple[str, ...]] = {}
    others: dict[str, int] = {}
    namespaces: set[str] = set()
    if containerd is not None:
        with call_options(timeout=_SECONDS):
            records = await containerd.containers.list()
            snapshots = await _snapshots(containerd, config)
            tasks = await containerd.tasks.list()
            leases = await containerd.leases.list()
            pulled = await containerd.images.list(f'labels."{MANAGED[0]}"=={MANAGED[1]}') if images else []
        pods, members = _of_kind(records, "sandbox"), _of_kind(records, "container")
        own = ids_in_containerd(pods, members, ids.all | {owner for _, owner in snapshots})
        ids = ids.joined(own)
        namespaces = {path for record in pods if record.id in own.pods and (path := _netns_of(record))}
        names = {
            "pods": tuple(sorted(_pod_name(record) for record in pods if record.id in own.pods)),
            "containers": tuple(sorted(_container_name(record) for record in members if record.id in own.containers)),
            "tasks": tuple(sorted(task.id for task in tasks if task.id in ids.all)),
            "snapshots": tuple(sorted(key for key, _ in snapshots)),
            "leases": tuple(sorted(one.id for one in leases if LEASE_LABELS.items() <= dict(one.labels).items())),
            "images": tuple(sorted(escaped(image.name) for image in pulled)),
        }
        others = {
            "pods of containerd's CRI plugin": len(pods) - len(own.pods),
            "containers of other clients": len(records) - len(pods) - len(members),
        }
    names |= await run(FS, read_node, config, paths, ids, namespaces)
    return Inventory(ids, {kind: names.get(kind, ()) for kind in KINDS}, others)


async def _snapshots(containerd: Containerd, config: Config) -> list[tuple[str, str]]:
    """Return the keys of our snapshots, each with the id that it belongs to."""
    return [
        (info.name, info.labels.get(OWN_ROOT) or info.labels.get(IMAGE_MOUNT) or "")
        for name in dict.fromkeys(all_snapshotters(config))
        for info in await containerd.snapshots(name).list(f'labels."{OWN_ROOT}"', f'labels."{IMAGE_MOUNT}"')
    ]


def _of_kind(records: list[Record], kind: str) -> list[Record]:
    return [record for record in records if record.labels.get(KIND_LABEL) == kind]


def _netns_of(record: Record) -> str:
    try:
        return read_sandbox(record).netns_path
    except ValueError:
        return netns_in_spec(record)  # as the daemon finds it to take the pod off its network


def _pod_name(record: Record) -> str:
    try:
        metadata = read_sandbox(record).config.metadata
    except ValueError:
        return f"{escaped(record.id)} (unreadable)"
    return f"{escaped(record.id[:13])} {escaped(metadata.namespace)}/{escaped(metadata.name)}"


def _container_name(record: Record) -> str:
    try:
        name = read_container(record).config.metadata.name
    except ValueError:
        return f"{escaped(record.id)} (unreadable)"
    return f"{escaped(record.id[:13])} {escaped(name)}"
