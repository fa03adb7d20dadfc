"""Find the CDI devices of a container and write them into its spec, after everything else.

Source: CRI ``ContainerConfig.CDI_devices``; containerd ``internal/cri/opts/spec_linux.go`` (WithCDI).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cri_shim.cdi.edits import apply_edits
from cri_shim.cdi.names import requested_devices
from cri_shim.errors import FailedPreconditionError
from cri_shim.kernel.executors import FS, run
from cri_shim.oci.node_facts import has_rdt, read_device_node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cri_shim.cdi.registry import CdiRegistry
    from cri_shim.config import Config
    from cri_shim.state.containers import Container


async def inject_cdi_devices(config: Config, cdi: CdiRegistry, container: Container, spec: dict[str, Any]) -> None:
    """Change ``spec`` so that the container can use the CDI devices that it asks for.

    Raises InvalidArgumentError for an invalid name, and FailedPreconditionError for a device that does not exist.
    """
    names = requested_devices(container.config)
    if not names:
        return
    if not config.runtime.enable_cdi:
        raise FailedPreconditionError(
            f"CDI devices ({', '.join(names)}) are requested, but enable_cdi is false in the configuration"
        )
    await run(FS, _inject, cdi, names, spec)


def _inject(registry: CdiRegistry, names: Sequence[str], spec: dict[str, Any]) -> None:
    apply_edits(spec, registry.edits_of(names), read_device_node, rdt=has_rdt())
