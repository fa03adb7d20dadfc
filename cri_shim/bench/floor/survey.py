"""Find out from the sides what their pods are made of, so that the script makes the same.

Each side runs a pod, which is inspected while it runs: its specs come from the verbose status, its layers from the
mount table of its processes, its files from where the spec places them. Then it is removed, because the script does
not need it.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.endpoint import cgroup_parents
from cri_shim.bench.endpoint.node import Samples, next_name
from cri_shim.bench.endpoint.pod import Pod
from cri_shim.bench.floor.cni import plugin_path
from cri_shim.bench.floor.errors import FloorError
from cri_shim.bench.floor.overlay import layers_of
from cri_shim.bench.floor.recipe import Container, Network, Recipe
from cri_shim.network.conflist import load_directory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cri_shim.bench.endpoint.node import Node

CONF_DIR = "/etc/cni/net.d"
BIN_DIRS = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni")


class Survey(Struct, frozen=True):
    """The result of a survey."""

    recipe: Recipe
    source: str
    """The side whose pods the recipe describes."""
    with_pause: tuple[str, ...]
    """The sides that run a pause process in each pod."""


class InspectedPod(Struct, frozen=True):
    """A pod of one side as it was while it ran; ``container`` is None if the side does not show its specs."""

    has_pause: bool
    container: Container | None = None
    pause: Container | None = None
    files: dict[str, str] = {}
    folders: tuple[str, ...] = ()
    hostname: str = ""
    sysctls: dict[str, str] = {}


class FloorPrograms(Struct, frozen=True):
    """The OCI runtime, and the folders of CNI configurations and plugins, which may be empty: those of the side."""

    oci_runtime: str = "runc"
    cni_conf_dir: str = ""
    cni_bin_dirs: tuple[str, ...] = ()


async def survey(nodes: Sequence[Node], programs: FloorPrograms, disk: Path, parent: str) -> Survey:
    """Inspect a pod of every side. Raises `FloorError` with the reason when no floor can be measured here."""
    if os.geteuid() != 0:
        raise FloorError("making namespaces, mounts and containers needs root: run the comparison as root")
    runc = shutil.which(programs.oci_runtime)
    if runc is None:
        name = programs.oci_runtime
        raise FloorError(f"the program {name} is not in any folder of PATH: install {name}")
    seen = {node.name: await _inspect_pod(node) for node in nodes}
    usable = [(node, seen[node.name], container) for node in nodes if (container := seen[node.name].container)]
    if not usable:
        raise FloorError("no side gives the runtime spec of its containers in a verbose ContainerStatus")
    source, observation, container = next((each for each in usable if each[1].pause), usable[0])
    systemd = source.place.cgroup_parent.endswith(cgroup_parents.SLICE)
    recipe = Recipe(
        container=container,
        pause=observation.pause,
        network=await _network(source, programs.cni_conf_dir, programs.cni_bin_dirs),
        runc=runc,
        disk=str(disk),
        cgroup_parent=cgroup_parents.for_driver(parent, systemd=systemd),
        files=observation.files,
        folders=observation.folders,
        hostname=observation.hostname,
        sysctls=observation.sysctls,
    )
    return Survey(recipe, source.name, tuple(node.name for node in nodes if seen[node.name].has_pause))


async def _inspect_pod(node: Node) -> InspectedPod:
    pod = Pod.of(node, next_name("floor"))
    await pod.start(Samples())
    try:
        about = cri.ContainerStatusRequest(container_id=pod.container_id, verbose=True)
        container = _info((await node.client.ask("ContainerStatus", about, cri.ContainerStatusResponse)).info)
        about_pod = cri.PodSandboxStatusRequest(pod_sandbox_id=pod.id, verbose=True)
        sandbox = _info((await node.client.ask("PodSandboxStatus", about_pod, cri.PodSandboxStatusResponse)).info)
        return read_pod(pod, container, sandbox)
    finally:
        await pod.end(Samples())


def read_pod(pod: Pod, container: Mapping[str, Any], sandbox: Mapping[str, Any]) -> InspectedPod:
    """Read what a running pod is made of from the side's verbose answers about its container and sandbox.

    Raises `FloorError` when the script cannot mount such a root. A side that shows nothing of a sandbox is assumed to
    run a pause process in it, as most do.
    """
    has_pause = bool(sandbox.get("pid")) if sandbox else True
    spec, of_pod = container.get("runtimeSpec"), sandbox.get("runtimeSpec") or {}
    if not spec or not container.get("pid"):
        return InspectedPod(has_pause)
    pause = None
    if has_pause and of_pod.get("process"):
        pause = Container(of_pod, *layers_of(sandbox["pid"]))
    sources = [
        Path(mount["source"])
        for each in (spec, pause.spec if pause else {})
        for mount in each.get("mounts", ())
        if pod.id in mount.get("source", "") or pod.container_id in mount.get("source", "")
    ]
    return InspectedPod(
        has_pause,
        container=Container(spec, *layers_of(container["pid"])),
        pause=pause,
        files={str(source): source.read_text(errors="replace") for source in sources if source.is_file()},
        folders=tuple(dict.fromkeys(str(source) for source in sources if source.is_dir())),
        hostname=pod.config.hostname,
        sysctls={name.replace(".", "/"): value for name, value in of_pod.get("linux", {}).get("sysctl", {}).items()},
    )


async def _network(node: Node, conf_dir: str, bin_dirs: Sequence[str]) -> Network:
    """Return the first CNI configuration of the folder, which the sides use too. Raises `FloorError`."""
    status = await node.client.ask("Status", cri.StatusRequest(verbose=True), cri.StatusResponse)
    cni_config = _info(status.info, "cniconfig")
    folder = conf_dir or cni_config.get("PluginConfDir") or CONF_DIR
    bin_dirs = tuple(bin_dirs or cni_config.get("PluginDirs") or BIN_DIRS)
    loaded = load_directory(folder, 1)
    if not loaded.networks:
        why = loaded.problems[0] if loaded.problems else f"{folder} has none"
        raise FloorError(f"no usable CNI configuration was found: {why}; name its folder with --cni-conf-dir")
    (conf,) = loaded.networks
    for plugin in conf.plugins:
        for program in (plugin.type, plugin.address_plugin):
            if program:
                plugin_path(program, bin_dirs)
    return Network(conf.name, conf.cni_version, tuple(plugin.conf for plugin in conf.plugins), bin_dirs)


def _info(info: Mapping[str, str], key: str = "info") -> dict[str, Any]:
    """Return one object of a verbose answer; an empty one if the side does not give it."""
    try:
        value = json.loads(info.get(key, ""))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
