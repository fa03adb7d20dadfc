"""Make the process of a command in a container, for ExecSync and for sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.lifecycle.hanging_runtime import end_hanging_runtimes
from cri_shim.oci.process import exec_process
from cri_shim.streaming.exec_process import ExecProcess

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cri_shim.service import Service
    from cri_shim.state.containers import Container


async def new_exec(
    service: Service, container: Container, command: Sequence[str], *, tty: bool, stdin: bool
) -> ExecProcess:
    """Return the process with its FIFOs; it is not in containerd yet. Raises a ContainerdError and OSError."""

    async def end_hanging() -> None:
        await end_hanging_runtimes(service.config, service.sandboxes, service.containers, container.sandbox_id)

    return ExecProcess(
        service.containerd,
        container.id,
        exec_process(await service.process_specs.of(container.id), command, tty=tty),
        service.paths.container_state(container.id),
        stdin=stdin,
        gate=service.exec_starts.of(container.sandbox_id),
        cgroup_moves=service.cgroup_moves,
        container_ended=lambda: service.exits.wait(container.id),
        end_hanging=end_hanging,
    )
