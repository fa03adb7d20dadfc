"""Remove our pods as the daemon would on request, then what no record leads to.

A pod that cannot be removed stays whole as far as its next removal needs that, and the others are removed all the same.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from containerd_client import ContainerdError, NotFound
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import CriError
from cri_shim.images.names import MANAGED
from cri_shim.lifecycle.handlers import all_snapshotters
from cri_shim.rpc.container_remove import remove_container
from cri_shim.rpc.sandbox_remove import remove_pod_sandbox
from cri_shim.sync.owned_snapshots import remove_orphaned_snapshots
from cri_shim.wipe.node_removal import remove_from_node
from cri_shim.wipe.own_service import own_service

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from cri_shim.config import Config
    from cri_shim.kernel import Kernel
    from cri_shim.paths import Paths
    from cri_shim.service import Service
    from cri_shim.wipe.marks import OwnIds

_AT_ONCE: Final = 8
_SECONDS: Final = 180.0
"""The time limit of one removal: a CNI plugin and a process that does not end have a minute each."""


async def remove_everything(
    config: Config, paths: Paths, kernel: Kernel, ids: OwnIds, *, images: bool
) -> dict[str, str]:
    """Remove all that is ours; return the reasons of what stays, by id or path.

    Raises UnavailableError when containerd cannot be read.
    """
    async with own_service(config, paths, kernel, ids.all) as service:
        removal = _Removal()
        await asyncio.gather(
            *(
                removal.of(pod.id, remove_pod_sandbox(service, cri.RemovePodSandboxRequest(pod_sandbox_id=pod.id)))
                for pod in service.sandboxes
            )
        )
        # Those whose pod has no record any more.
        await asyncio.gather(
            *(
                removal.of(one.id, remove_container(service, cri.RemoveContainerRequest(container_id=one.id)))
                for one in service.containers
                if one.sandbox_id not in service.sandboxes
            )
        )
        spared = frozenset(one.id for index in (service.sandboxes, service.containers) for one in index)
        failed = await remove_from_node(service.network, kernel, config, paths, ids=ids, spared=spared)
        await remove_orphaned_snapshots(service.containerd, all_snapshotters(config), lambda: spared)
        if images:
            await _remove_images(service, removal)
        return failed | removal.failed


class _Removal:
    """Removes a few at a time, and keeps the errors."""

    def __init__(self) -> None:
        self.failed: dict[str, str] = {}
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def of(self, what: str, work: Coroutine[object, object, object]) -> None:
        async with self._places:
            try:
                await asyncio.wait_for(work, _SECONDS)
            except TimeoutError:
                self.failed[what] = f"not removed within {_SECONDS:.0f} s"
            except (CriError, ContainerdError, OSError) as error:
                self.failed[what] = str(error)


async def _remove_images(service: Service, removal: _Removal) -> None:
    key, value = MANAGED
    try:
        images = await service.containerd.images.list(f'labels."{key}"=={value}')
    except ContainerdError as error:
        removal.failed["images"] = str(error)
        return
    for image in images:
        await removal.of(image.name, _remove_image(service, image.name))


async def _remove_image(service: Service, name: str) -> None:
    try:
        await service.containerd.images.delete(name)
    except NotFound:
        return
