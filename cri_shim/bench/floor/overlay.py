"""Find the layers under a running container's root in its mount table (proc_pid_mountinfo(5))."""

from __future__ import annotations

from pathlib import Path

from cri_shim.bench.floor.errors import FloorError
from cri_shim.kernel.mountinfo import MountPoint, read_mountinfo

# Options that decide how an overlay works; the kernel shows others that it does not accept as input.
_COPIED = ("index", "metacopy", "nfs_export", "redirect_dir", "userxattr", "volatile", "xino")


def layers_of(pid: int) -> tuple[str, tuple[str, ...]]:
    """Return the lower layers and the options of a process' root. Raises `FloorError` when it is not an overlay."""
    try:
        mounts = read_mountinfo(f"/proc/{pid}/mountinfo")
    except OSError as error:
        raise FloorError(f"the mounts of process {pid} cannot be read: {error.strerror}") from error
    roots = [mount for mount in mounts if mount.path == "/"]
    if not roots or roots[-1].fstype != "overlay":
        kind = roots[-1].fstype if roots else "nothing"
        raise FloorError(f"the root of a container is {kind}, and the floor can only mount overlays")
    return parse_layers(roots[-1])


def parse_layers(root: MountPoint) -> tuple[str, tuple[str, ...]]:
    """Return the layers and the options of a mount; layers relative to the store's folder get their whole path."""
    values = [option.partition("=")[::2] for option in root.super_options]
    upper = next((value for name, value in values if name == "upperdir"), "")
    lower = [
        layer for name, value in values if name in {"lowerdir", "lowerdir+"} for layer in value.split(":") if layer
    ]
    if not lower:
        raise FloorError("the root of a container is an overlay that names no lower layers")
    store = Path(upper).parent.parent  # a store has a folder for each layer, and in it one for the content
    whole = [layer if layer.startswith("/") else str(store / layer) for layer in lower]
    copied = (option for option in root.super_options if option.partition("=")[0] in _COPIED)
    return ":".join(whole), tuple(copied)
