"""The folder in which a script keeps what it makes; the script removes it, or the next one does if it was killed.

A script holds a lock on the recipe in its folder for as long as it runs, so a free lock means that the script is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from cri_shim.bench.floor import cgroups, recipe
from cri_shim.bench.floor.cni import Attachment
from cri_shim.bench.floor.container import KERNEL
from cri_shim.bench.floor.errors import FloorError
from cri_shim.bench.floor.runc import Runc
from cri_shim.bench.floor.stages import Stages
from cri_shim.kernel.mountinfo import mounts_under, read_mountinfo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cri_shim.bench.floor.recipe import Recipe

RECIPE = "recipe.json"


@contextlib.contextmanager
def own_folder(what: Recipe, states: Path) -> Iterator[Path]:
    """Make a locked folder for this process, with the recipe in it; remove everything at the end."""
    state = states / str(os.getpid())
    state.mkdir(mode=0o711, parents=True)
    draft = state / "draft"
    recipe.save(what, draft)
    held = _lock(draft)
    draft.rename(state / RECIPE)
    try:
        yield state
    finally:
        remove(what, state)
        os.close(held)
        with contextlib.suppress(OSError):
            states.rmdir()  # succeeds for the last script


def _lock(path: Path) -> int:
    """Lock a file until the descriptor is closed. Raises BlockingIOError when another process holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def remove_leftovers(states: Path = recipe.STATES) -> list[str]:
    """Remove what is left of scripts that no longer run; return what could not be removed, in words."""
    wrong = []
    for state in sorted(states.iterdir()) if states.exists() else ():
        try:
            held = _lock(state / RECIPE)
        except BlockingIOError:
            continue  # the script still runs
        except OSError:  # it was killed before it had written what it would do, so it did nothing
            shutil.rmtree(state, ignore_errors=True)
            continue
        try:
            remove(recipe.load(state / RECIPE), state)
        except (OSError, FloorError, msgspec.DecodeError) as error:
            wrong.append(f"{state} is left of a script that was killed, and cannot be removed: {error}")
        finally:
            os.close(held)
    return wrong


def remove(what: Recipe, state: Path) -> None:
    """Remove everything that a script with this recipe and folder may have made."""
    runc = Runc(what.runc, state / "runc", what.systemd_cgroup)
    containers = [entry.name for entry in runc.root.iterdir()] if runc.root.exists() else []
    for container in containers:
        with contextlib.suppress(FloorError):
            runc.delete(container, state, force=True)
    pods = sorted((state / "pods").iterdir()) if (state / "pods").exists() else []
    for pod in pods:
        netns = pod / "ns" / "net"
        if netns.exists():
            with contextlib.suppress(FloorError):
                Attachment(what.network, pod.name, netns).remove(Stages())
    for mount in mounts_under(str(state), read_mountinfo()):
        KERNEL.umount(mount.path)
    for pod in pods:
        shutil.rmtree(Path(what.disk, pod.name), ignore_errors=True)
    cgroups.remove(what.cgroup_parent)
    shutil.rmtree(state)
