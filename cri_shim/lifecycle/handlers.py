"""What a runtime handler determines for the pods that it runs: snapshotter, spec options, base spec."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cri_shim.errors import FailedPreconditionError
from cri_shim.kernel.executors import FS, run
from cri_shim.kernel.small_file import read_small_file
from cri_shim.node_faults import is_node_fault
from cri_shim.oci.options import SpecOptions
from cri_shim.oci.spec_shape import SPEC
from untrusted import DocumentError, parse_object, read_shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cri_shim.config import Config, RuntimeHandler
    from cri_shim.node.handler_features import HandlerFeatures

BASE_SPEC_LIMIT = 4 << 20
"""Largest ``base_runtime_spec`` in bytes."""

_RUNC_SHIM = "io.containerd.runc.v2"


def snapshotter_of(config: Config, handler: RuntimeHandler) -> str:
    """Return the snapshotter of the handler's pods."""
    return handler.snapshotter or config.containerd.snapshotter


def all_snapshotters(config: Config) -> list[str]:
    """Return all snapshotters that images are unpacked for, the default one first."""
    own = (handler.snapshotter for handler in config.containerd.runtimes.values())
    return [config.containerd.snapshotter, *filter(None, own)]


def is_plain_runc(handler: RuntimeHandler) -> bool:
    """Return whether the handler's pods run under runc and its own shim, and nothing else.

    Of plain runc it is known that a process that was created starts, so that the answer to RunPodSandbox need not wait
    for it (docs/adr/0017), and what a signal means (docs/adr/0045). Nothing is known of a handler that names a program,
    because the program may only stand in front of runc.
    """
    return handler.runtime_type == _RUNC_SHIM and not handler.runtime_path and not handler.options.binary_name


def spec_options(config: Config, features: Mapping[str, HandlerFeatures], handler: RuntimeHandler) -> SpecOptions:
    """Return the operator's decisions that matter for building a spec."""
    runtime = config.runtime
    return SpecOptions(
        namespace=config.containerd.namespace,
        systemd_cgroup=handler.options.systemd_cgroup,
        restrict_oom_score_adj=runtime.restrict_oom_score_adj,
        disable_proc_mount=runtime.disable_proc_mount,
        enable_unprivileged_ports=runtime.enable_unprivileged_ports,
        enable_unprivileged_icmp=runtime.enable_unprivileged_icmp,
        unset_seccomp_profile=runtime.unset_seccomp_profile,
        disable_apparmor=runtime.disable_apparmor,
        tolerate_missing_hugetlb_controller=runtime.tolerate_missing_hugetlb_controller,
        disable_hugetlb_controller=runtime.disable_hugetlb_controller,
        device_ownership_from_security_context=runtime.device_ownership_from_security_context,
        cgroup_writable=handler.cgroup_writable,
        recursive_read_only_mounts=features[handler.name].recursive_read_only_mounts,
    )


async def base_spec(handler: RuntimeHandler) -> dict[str, Any] | None:
    """Return the spec that the handler's specs start from; None for the built-in one.

    Raises FailedPreconditionError that names the file when it cannot be read.
    """
    if not handler.base_runtime_spec:
        return None
    path = handler.base_runtime_spec
    try:
        return parse_base_spec(await run(FS, read_small_file, path, BASE_SPEC_LIMIT))
    except (OSError, DocumentError) as error:
        if isinstance(error, OSError) and is_node_fault(error):
            raise
        problem = error.strerror if isinstance(error, OSError) else error
        raise FailedPreconditionError(
            f"base_runtime_spec {path} of runtime handler {handler.name!r} cannot be used: {problem}"
        ) from error


def parse_base_spec(data: bytes) -> dict[str, Any]:
    """Read a runtime spec as containerd does, which ignores what follows it in the file; raises DocumentError."""
    return read_shape(parse_object(data, stream=True), SPEC, unknown="keep")
