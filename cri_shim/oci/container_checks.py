"""Check a CreateContainer request for values that no container can have on any node, before anything is made.

The OCI runtime would reject most of them too, but only at StartContainer, where the kubelet cannot distinguish a
mistake in the request from a fault of the node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.errors import InvalidArgumentError
from cri_shim.oci.labels import check_annotations, check_labels
from cri_shim.oci.mounts import clean
from cri_shim.oci.path_checks import check_path, leads_out
from cri_shim.oci.pod_checks import check_name, check_pod_paths
from cri_shim.oci.resource_checks import check_resources
from untrusted import escaped

if TYPE_CHECKING:
    from cri_shim.api.runtime.v1 import runtime_pb2 as cri


def check_container(config: cri.ContainerConfig, pod: cri.PodSandboxConfig) -> None:
    """Check the fields of a request; raises InvalidArgumentError that names the invalid field."""
    check_name("the container's name", config.metadata.name)
    check_labels(config.labels)
    check_annotations(config.labels, config.annotations)
    check_pod_paths(pod)
    if config.working_dir:
        check_path("working_dir", config.working_dir)
    for mount in config.mounts:
        _check_mount(mount)
    for device in config.devices:
        # A relative one would be looked up in the daemon's working directory.
        check_path("host_path of the device", device.host_path, absolute=device.host_path != "")
        check_path("container_path of the device", device.container_path, absolute=False)
    security = config.linux.security_context
    for field in ("masked_paths", "readonly_paths"):
        for path in getattr(security, field):
            check_path(f"the entry of {field}", path, absolute=False)
    for pair in config.envs:
        if not pair.key:
            raise InvalidArgumentError("an environment variable has an empty key")
    _check_log_path(config, pod)
    check_resources(config.linux.resources)


def _check_mount(mount: cri.Mount) -> None:
    # An empty path is rejected later, where mounts of images are separated from those of directories of the node.
    if mount.container_path:
        check_path("container_path of the mount", mount.container_path, absolute=False)
        if clean(mount.container_path) == "/":
            raise InvalidArgumentError(
                f"the mount at '{escaped(mount.container_path)}' would hide the container's root file system; "
                "mount below it"
            )
    if mount.host_path:
        check_path(f"host_path of the mount at '{escaped(mount.container_path)}':", mount.host_path)


def _check_log_path(config: cri.ContainerConfig, pod: cri.PodSandboxConfig) -> None:
    if not config.log_path:
        return
    if leads_out(config.log_path):
        raise InvalidArgumentError(
            f"log_path '{escaped(config.log_path)}' contains '..'; it must be a path below the pod's log_directory"
        )
    check_path("log_path", f"{pod.log_directory.rstrip('/')}/{config.log_path}", absolute=False)
