"""Write the classes of block I/O and cache that a container's annotations ask for into its spec.

No class is skipped silently. A class on a node that has none is refused, unless the configuration says to ignore it,
and then that is logged. Source: containerd ``internal/cri/server/{blockio_linux,rdt}.go``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from cri_shim.errors import FailedPreconditionError
from cri_shim.kernel.executors import FS, run
from cri_shim.qos.annotations import requested_class
from cri_shim.qos.blockio import find_disks, has_weights
from cri_shim.qos.rdt import rdt_section, why_no_rdt

if TYPE_CHECKING:
    from cri_shim.api.runtime.v1 import runtime_pb2 as cri
    from cri_shim.config import Config
    from cri_shim.qos.blockio import BlockioClasses
    from cri_shim.state.containers import Container

log = structlog.get_logger(__name__)


async def apply_classes(
    config: Config, blockio: BlockioClasses, container: Container, pod: cri.PodSandboxConfig, spec: dict[str, Any]
) -> None:
    """Write the container's classes into ``spec``; raises FailedPreconditionError for one that is not available."""
    if name := requested_class("blockio", container.config, pod):
        await run(FS, _blockio, config, blockio, container.id, name, spec)
    if name := requested_class("rdt", container.config, pod):
        await run(FS, _rdt, config, container.id, name, spec)


def _blockio(config: Config, blockio: BlockioClasses, container_id: str, name: str, spec: dict[str, Any]) -> None:
    if blockio.reason:
        ignored = config.containerd.ignore_blockio_not_enabled_errors
        _refuse(container_id, "blockio", name, blockio.reason, ignored=ignored)
        return
    section = blockio.section(name, find_disks, weights=has_weights())
    if section:
        spec["linux"].setdefault("resources", {})["blockIO"] = section


def _rdt(config: Config, container_id: str, name: str, spec: dict[str, Any]) -> None:
    allowed = config.runtime.rdt_classes
    reason = why_no_rdt(allowed)
    if reason:
        ignored = config.containerd.ignore_rdt_not_enabled_errors
        _refuse(container_id, "RDT", name, reason, ignored=ignored)
        return
    spec["linux"]["intelRdt"] = rdt_section(name, allowed)


def _refuse(container_id: str, what: str, name: str, reason: str, *, ignored: bool) -> None:
    if not ignored:
        raise FailedPreconditionError(
            f"{what} disabled, refusing to set {what} class of container {container_id} to {name!r}: {reason}"
        )
    log.warning("container.class_ignored", container_id=container_id, kind=what, name=name, reason=reason)
