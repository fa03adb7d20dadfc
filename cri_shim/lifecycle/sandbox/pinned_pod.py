"""Make a pod without a process: bind mounts hold its namespaces, so it has no pause container, shim or snapshot.

This is enough for pods whose containers do not share their processes: a PID namespace lives and dies with its first
process, and a mount cannot keep it. The containerd record is written all the same, with the same labels and metadata,
so a pinned pod is found again like any other; an extension of ours in the record marks it. (docs/adr/0013; CRI
``NamespaceOption``; CRI-O has the same under ``drop_infra_ctr``)
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from containerd_client.encoding.timestamps import nanoseconds
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.concurrency.overlap import every
from cri_shim.disk.pod_directories import mark_exited, pin_all_namespaces, remove_pod_files, unpin_namespaces
from cri_shim.disk.pod_file_paths import pod_files
from cri_shim.errors import InvalidArgumentError
from cri_shim.kernel.executors import MOUNT, run
from cri_shim.kernel.sysctls import SYSCTLS, write_sysctls
from cri_shim.lifecycle.container.id_mapping import id_map_of
from cri_shim.lifecycle.pod_sharing import namespaces_of, pod_hostname
from cri_shim.lifecycle.records import delete_record, make_record
from cri_shim.lifecycle.sandbox.background_start import begin_recording, fail_if_failed
from cri_shim.lifecycle.sandbox.pod_files import write_pod_files
from cri_shim.lifecycle.sandbox.pod_network import set_up_network
from cri_shim.lifecycle.sandbox.sandbox_spec import sandbox_spec
from cri_shim.oci.labels import SANDBOX, record_labels
from cri_shim.oci.pinned_spec import NO_IMAGE, pinned_spec
from cri_shim.oci.sysctls import pod_sysctls
from cri_shim.oci.users import ResolvedUser
from cri_shim.state.sandboxes import PinnedNamespaces
from cri_shim.state.stored.metadata import PINNED_EXTENSION, SANDBOX_EXTENSION, pinned_extension, sandbox_extension
from cri_shim.timeline import stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cri_shim.concurrency.rollback import Rollback
    from cri_shim.config import Config, RuntimeHandler
    from cri_shim.kernel import Kernel
    from cri_shim.paths import Paths
    from cri_shim.service import Service
    from cri_shim.state.index import Index
    from cri_shim.state.sandboxes import Sandbox

_SHIM = "io.containerd.runc.v2"


def may_be_pinned(config: Config, sandbox: Sandbox, handler: RuntimeHandler) -> bool:
    """Return whether this pod gets no process: the setting asks for it, and nothing in the pod needs one.

    A shared PID namespace, the node's network, mapped ids, and shims of other kinds (some keep a machine for it) need
    one.
    """
    return (
        config.sandbox.infra == "pinned"
        and sandbox.config.linux.security_context.namespace_options.pid == cri.CONTAINER
        and not sandbox.host_network
        and id_map_of(sandbox) is None
        and handler.runtime_type == _SHIM
        and not handler.runtime_path
    )


def _places(paths: Paths, sandbox: Sandbox) -> PinnedNamespaces:
    directory = paths.pinned_namespaces(sandbox.id)
    own_ipc = sandbox.config.linux.security_context.namespace_options.ipc != cri.NODE
    return PinnedNamespaces(uts=str(directory / "uts"), ipc=str(directory / "ipc") if own_ipc else "")


async def make_pinned(service: Service, sandbox: Sandbox, handler: RuntimeHandler, undo: Rollback) -> Sandbox:
    """Make the files, the namespaces and the record of a pod concurrently, and then its network.

    Returns the pod's new value. Raises InvalidArgumentError or FailedPreconditionError for what cannot be done as
    requested, and the errors of CNI or containerd.
    """
    with stage("cri.sandbox.prepare"):
        sandbox, sysctls = await _make_ground(service, sandbox, handler, undo)
    sandbox = await set_up_network(service.network, sandbox, undo)
    # Done before the network is recorded, because the record then says that the pod is complete.
    await _set_sysctls_of_interfaces(service.kernel, sandbox, sysctls)
    fail_if_failed(begin_recording(service, sandbox, undo))
    return sandbox


async def _make_ground(
    service: Service, sandbox: Sandbox, handler: RuntimeHandler, undo: Rollback
) -> tuple[Sandbox, Mapping[str, str]]:
    """Make everything except the network; also return the sysctls that must wait for the interfaces."""
    places = _places(service.paths, sandbox)
    sandbox = sandbox.replace(pinned=places)
    spec = pinned_spec(
        await sandbox_spec(service, sandbox, handler, image=NO_IMAGE, image_name="", user=ResolvedUser(0, 0, ())),
        namespaces_of(sandbox),
    )
    at_once, of_interfaces = pod_sysctls(spec["linux"].get("sysctl") or {}, own_ipc=bool(places.ipc))
    record = make_record(
        sandbox.id,
        handler=handler,
        snapshotter="",
        image="",
        spec=spec,
        labels=record_labels({}, sandbox.config.labels, kind=SANDBOX),
        extension=(SANDBOX_EXTENSION, sandbox_extension(sandbox)),
    )
    record.extensions[PINNED_EXTENSION].CopyFrom(pinned_extension(places))
    files = pod_files(service.paths, sandbox.id, sandbox.config)
    hostname = pod_hostname(sandbox.config)
    kernel_and_paths = (service.kernel, service.paths)

    async def keep_record() -> None:
        nonlocal sandbox
        with stage("client.NewContainer"):
            written = await service.containerd.containers.create(record)
        sandbox = sandbox.replace(created_at=nanoseconds(written.created_at))

    undo.push("remove the pod's files", lambda: run(MOUNT, remove_pod_files, *kernel_and_paths, sandbox.id))
    undo.push("delete the record", lambda: delete_record(service.containerd, sandbox.id))
    with _refused_sysctls():
        await every(
            run(MOUNT, pin_all_namespaces, *kernel_and_paths, sandbox, hostname=hostname, sysctls=at_once),
            run(MOUNT, write_pod_files, service.kernel, files, sandbox.config),
            keep_record(),
        )
    return sandbox, of_interfaces


async def _set_sysctls_of_interfaces(kernel: Kernel, sandbox: Sandbox, values: Mapping[str, str]) -> None:
    """Set the sysctls in the pod's network namespace that could not be set before its interfaces existed.

    Raises InvalidArgumentError for a value that the kernel does not accept.
    """
    if values:
        with _refused_sysctls():
            await run(MOUNT, kernel.run_in_network_namespace, sandbox.netns_path, lambda: write_sysctls(values))


@contextmanager
def _refused_sysctls() -> Iterator[None]:
    """Turn the kernel's refusal of a value into InvalidArgumentError, because the request asked for the value."""
    try:
        yield
    except OSError as error:
        if not str(error.filename).startswith(SYSCTLS):
            raise
        name = str(error.filename).removeprefix(SYSCTLS)
        raise InvalidArgumentError(f"sysctl {name} of the pod cannot be set: {error.strerror}") from error


async def unpin(kernel: Kernel, paths: Paths, sandboxes: Index[Sandbox], sandbox: Sandbox) -> None:
    """End such a pod, except its network: its containers have ended, so its namespaces may go."""
    await run(MOUNT, unpin_namespaces, kernel, paths, sandbox.id)
    mark_exited(sandboxes, sandbox.id)
