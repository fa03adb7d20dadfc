"""Turn a side's runtime spec into one for the script's own pod.

Everything stays except what belonged to the side's pod: the place of the root, the cgroup, the pod's namespaces, and
the files that the side wrote for its pod.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from cri_shim.bench.floor.recipe import Recipe

# The namespaces that the containers of a pod share: the type in a spec, and the name below /proc/PID/ns.
SHARED = {"network": "net", "ipc": "ipc", "uts": "uts"}
SHM = "/dev/shm"  # noqa: S108 - a mount point in the container


def own_spec(spec: dict[str, Any], recipe: Recipe, pod: Path, container: str) -> dict[str, Any]:
    """Return the spec of a container of the pod whose folder is ``pod``; ``container`` is its id."""
    linux = dict(spec["linux"])
    linux["cgroupsPath"] = cgroups_path(recipe, pod.name, container)
    linux["namespaces"] = [_namespace(each, pod) for each in linux["namespaces"]]
    mounts = [_mount(each, recipe, pod) for each in spec.get("mounts", ())]
    return {**spec, "root": {**spec["root"], "path": "rootfs"}, "mounts": mounts, "linux": linux}


def own_files(recipe: Recipe, pod: Path) -> dict[Path, str]:
    """Return the files to write for the pod: content by path."""
    return {_own(source, recipe, pod): content for source, content in recipe.files.items()}


def own_folders(recipe: Recipe, pod: Path) -> list[Path]:
    """Return the folders to make for the pod."""
    return [_own(source, recipe, pod) for source in recipe.folders]


def cgroups_path(recipe: Recipe, pod: str, container: str) -> str:
    """Return where runc puts a container: below the pod's cgroup, or into a scope of the slice that systemd has."""
    if recipe.systemd_cgroup:
        return f"{recipe.cgroup_parent.rpartition('/')[2]}:floor:{container}"
    return f"{recipe.cgroup_parent}/{pod}/{container}"


def _namespace(namespace: dict[str, Any], pod: Path) -> dict[str, Any]:
    name = SHARED.get(namespace["type"])
    return {"type": namespace["type"], "path": str(pod / "ns" / name)} if name else namespace


def _mount(mount: dict[str, Any], recipe: Recipe, pod: Path) -> dict[str, Any]:
    source = mount.get("source", "")
    if mount["destination"] == SHM and mount.get("type") == "bind":
        return {**mount, "source": str(pod / "shm")}
    if source in recipe.files or source in recipe.folders:
        return {**mount, "source": str(_own(source, recipe, pod))}
    return mount


def _own(source: str, recipe: Recipe, pod: Path) -> Path:
    """Return the pod's own file or folder in place of the side's: numbered, because two may have one name."""
    number = [*recipe.files, *recipe.folders].index(source)
    return pod / "made" / f"{number}-{source.rpartition('/')[2]}"
