"""Give what a container mounts the container's SELinux label.

Only the pod's own files are relabelled, and what the kubelet wants relabelled: relabelling more would take files of the
node away from it (CVE-2021-43816). Images get their label by their mount. Source: CRI ``Mount.selinux_relabel``;
containerd ``WithMounts``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cri_shim.disk.pod_file_paths import pod_files
from cri_shim.errors import InvalidArgumentError
from cri_shim.kernel.executors import FS, run
from cri_shim.kernel.relabel import relabel
from cri_shim.oci.mounts import clean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cri_shim.api.runtime.v1 import runtime_pb2 as cri
    from cri_shim.disk.pod_file_paths import PodFiles
    from cri_shim.lifecycle.container.image_volumes import Volume
    from cri_shim.paths import Paths
    from cri_shim.state.containers import Container
    from cri_shim.state.sandboxes import Sandbox
    from cri_shim.sync.selinux_labels import SelinuxLabels

_SHM = "/dev/shm"  # noqa: S108 - where it is in a container, and on a node that shares its own


async def relabel_sources(
    paths: Paths, selinux: SelinuxLabels, sandbox: Sandbox, container: Container, volumes: list[Volume]
) -> None:
    """Label the sources of the container's mounts, which must exist; without labels nothing is done.

    Raises InvalidArgumentError that names what cannot be labelled.
    """
    label = selinux.of_files(container.process_label)
    if not label:
        return
    files = pod_files(paths, sandbox.id, sandbox.config)
    sources = [*to_relabel(container.config, files), *(str(volume.directory) for volume in volumes)]
    await run(FS, _relabel, sources, label)


def to_relabel(config: cri.ContainerConfig, files: PodFiles) -> list[str]:
    """Return the node's paths that get the container's label: volumes that ask for it, and the visible pod files."""
    asked = [
        os.path.realpath(mount.host_path)
        for mount in config.mounts
        if mount.selinux_relabel and not mount.HasField("image")
    ]
    taken = {clean(mount.container_path) for mount in config.mounts}
    own = {
        "/etc/hostname": files.hostname,
        "/etc/hosts": files.hosts,
        "/etc/resolv.conf": files.resolv_conf,
        _SHM: files.shm,
    }
    return [*asked, *(str(path) for place, path in own.items() if place not in taken and str(path) != _SHM)]


def _relabel(sources: Iterable[str], label: str) -> None:
    for source in sources:
        try:
            relabel(source, label)
        except (OSError, ValueError) as error:
            raise InvalidArgumentError(f"{source!r} cannot be relabelled with {label!r}: {error}") from error
