"""Choose the cgroup parent of a pod: a path where the runtime writes cgroup files, a slice where systemd does.

With the systemd driver a kubelet turns each part of its path into a part of a slice's name and sends the whole path of
slices; runtimes use the last one. Dashes separate the parts of such a name, so a dash within a part becomes an
underscore.
"""

from __future__ import annotations

SLICE = ".slice"


def of_side(parent: str, owner: str) -> str:
    """Return the parent of one side's pods, beside or below the requested one; ``owner`` makes it unique."""
    if not parent.endswith(SLICE):
        return f"{parent}-{owner}"
    name = parent.rpartition("/")[2].removesuffix(SLICE)
    return _path_of_slices([*name.split("-"), owner])


def for_driver(parent: str, *, systemd: bool) -> str:
    """Return a parent in the form that the driver needs. A slice stays a slice, as its form names the driver."""
    if not systemd or parent.endswith(SLICE):
        return parent
    return _path_of_slices([part for part in parent.split("/") if part])


def of_pod(parent: str, uid: str) -> str:
    """Return a pod's own cgroup below a parent that has the form of :func:`for_driver`."""
    if not parent.endswith(SLICE):
        return f"{parent}/pod{uid}"
    last = parent.rpartition("/")[2].removesuffix(SLICE)
    return f"{parent}/{last}-{_escaped(f'pod{uid}')}{SLICE}"


def _path_of_slices(parts: list[str]) -> str:
    names = ["-".join(map(_escaped, parts[: count + 1])) for count in range(len(parts))]
    return "".join(f"/{name}{SLICE}" for name in names)


def _escaped(part: str) -> str:
    return part.replace("-", "_")
