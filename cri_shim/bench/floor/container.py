"""One container of the script's pod: this mounts its root and writes its bundle, and runc does the rest."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.bench.floor import runc
from cri_shim.bench.floor.errors import FloorError
from cri_shim.bench.floor.spec import own_spec
from cri_shim.kernel.linux import LinuxKernel

if TYPE_CHECKING:
    from contextlib import ExitStack

    from cri_shim.bench.floor.recipe import Container, Recipe
    from cri_shim.bench.floor.runc import Runc
    from cri_shim.bench.floor.stages import Stages

KERNEL = LinuxKernel()
_NOTHING_THERE = {errno.EINVAL, errno.ENOENT}  # the errors of unmounting a folder that is missing or is not a mount


@dataclass(slots=True)
class OneContainer:
    """``name`` is ``pause`` or ``container``; ``undo`` collects what reverts each step if a later one fails."""

    name: str
    recipe: Recipe
    made_of: Container
    pod: Path
    runc: Runc
    stages: Stages
    undo: ExitStack
    _pidfd: int = -1
    _config: str = field(init=False)

    def __post_init__(self) -> None:
        """Compute the bundle's spec, which a runtime need not do after a pod is requested."""
        self._config = json.dumps(own_spec(self.made_of.spec, self.recipe, self.pod, self.id))

    @property
    def id(self) -> str:
        """Its id for runc."""
        return f"{self.pod.name}-{self.name}"

    @property
    def bundle(self) -> Path:
        """The folder that runc gets."""
        return self.pod / self.name

    @property
    def writable(self) -> Path:
        """The folder of its root's upper layer."""
        return Path(self.recipe.disk, self.pod.name, self.name)

    def run(self) -> None:
        """Do everything up to the running program."""
        with self.stages.time(f"mount the root of {self.name}"):
            self._mount()
        with self.stages.time(f"write the bundle of {self.name}"):
            (self.bundle / "config.json").write_text(self._config)
        self.undo.callback(self._delete_by_force)
        with self.stages.time(f"runc create {self.name}"):
            self._pidfd = self.runc.create(self.id, self.bundle)
        with self.stages.time(f"runc start {self.name}"):
            self.runc.start(self.id, self.bundle)

    def kill(self) -> None:
        """Kill its processes, and wait for their end."""
        with self.stages.time(f"runc kill {self.name}"):
            self.runc.kill(self.id, self.bundle)
        with self.stages.time(f"wait for the end of {self.name}"):
            runc.wait(self._pidfd)
        self._forget()

    def remove(self) -> None:
        """Remove everything that ``run`` has made; it must have ended."""
        with self.stages.time(f"runc delete {self.name}"):
            self.runc.delete(self.id, self.bundle)
        with self.stages.time(f"unmount the root of {self.name}"):
            unmount(self.bundle / "rootfs")
            shutil.rmtree(self.writable)

    def check(self) -> None:
        """Raise `FloorError` if its program has ended already, because that was not a start."""
        if runc.has_ended(self._pidfd):
            raise FloorError(f"the {self.name} process of the floor ended as soon as it was started")

    def _delete_by_force(self) -> None:
        self._forget()
        if self.bundle.exists():
            self.runc.delete(self.id, self.bundle, force=True)

    def _forget(self) -> None:
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    def _mount(self) -> None:
        root, upper, work = self.bundle / "rootfs", self.writable / "upper", self.writable / "work"
        for folder in (root, upper, work):
            folder.mkdir(parents=True)
        options = (f"lowerdir={self.made_of.lower}", f"upperdir={upper}", f"workdir={work}", *self.made_of.options)
        self.undo.callback(unmount, root)
        KERNEL.mount("overlay", str(root), "overlay", 0, ",".join(options))


def unmount(place: Path) -> None:
    """Unmount ``place``, if it is a mount."""
    with contextlib.suppress(FileNotFoundError):
        try:
            KERNEL.umount(str(place))
        except OSError as error:
            if error.errno not in _NOTHING_THERE:
                raise
