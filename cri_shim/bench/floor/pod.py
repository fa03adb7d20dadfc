"""Make a whole pod by hand, in one of two orders.

**Serial**, one step after the other: namespaces, network, pause, container; the end in reverse order.

**Overlapped**: a step runs beside those that it does not depend on. The pause container starts while the CNI plugins
run. The container's root, bundle and process wait only for the pod's address, because a kubelet asks for a container
when it knows the address (it writes it into files and variables of the container). At the end the network is taken down
while runc deletes. Within the order of calls that the CRI has, no more can overlap.
"""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.bench.floor import cgroups
from cri_shim.bench.floor.cni import Attachment
from cri_shim.bench.floor.container import KERNEL, OneContainer, unmount
from cri_shim.bench.floor.recipe import WITH_PAUSE
from cri_shim.bench.floor.spec import SHARED, own_files, own_folders
from cri_shim.bench.floor.stages import Stages
from cri_shim.kernel.mounts import MS_NODEV, MS_NOEXEC, MS_NOSUID

if TYPE_CHECKING:
    from cri_shim.bench.floor.recipe import Container, Kind, Order, Recipe
    from cri_shim.bench.floor.runc import Runc

_SHM = "mode=1777,size=65536k"


class Pod:
    """One pod. ``close`` undoes what each step has made, however many steps were done."""

    def __init__(self, recipe: Recipe, runc: Runc, folder: Path, kind: Kind) -> None:
        """Prepare what need not be done under the clock; nothing is made yet."""
        self.recipe = recipe
        self.folder = folder
        self.stages = Stages()
        self.undo = ExitStack()
        self.network = Attachment(recipe.network, folder.name, folder / "ns" / "net")
        self._files = own_files(recipe, folder)
        self._sysctls = {} if kind == WITH_PAUSE else recipe.sysctls  # runc sets those that a pause's spec has
        about = (recipe, folder, runc)
        self.container = self._container("container", recipe.container, *about)
        self.pause = None
        if recipe.pause is not None and kind == WITH_PAUSE:
            self.pause = self._container("pause", recipe.pause, *about)

    def _container(self, name: str, made_of: Container, recipe: Recipe, folder: Path, runc: Runc) -> OneContainer:
        return OneContainer(name, recipe, made_of, folder, runc, self.stages, self.undo)

    def start(self, order: Order) -> float:
        """Make the pod and start its processes; return milliseconds. Raises `FloorError` or `OSError`."""
        began = time.perf_counter()
        self._namespaces()
        pause = self.pause.run if self.pause else _nothing
        if order == "serial":
            self._attach()
            pause()
            self.container.run()
        else:
            with ThreadPoolExecutor(1) as threads:
                meanwhile = threads.submit(pause)
                self._attach()
                self.container.run()
                meanwhile.result()
        return (time.perf_counter() - began) * 1000

    def check(self) -> None:
        """Raise `FloorError` if one of its processes has ended already."""
        for each in (self.container, self.pause):
            if each is not None:
                each.check()

    def end(self, order: Order) -> float:
        """Kill its processes and remove everything; return milliseconds. Raises `FloorError` or `OSError`."""
        began = time.perf_counter()
        self.container.kill()
        if order == "serial":
            self.container.remove()
            self.network.remove(self.stages)
            self._end_pause()
        else:
            with ThreadPoolExecutor(2) as threads:
                meanwhile = [threads.submit(self._end_pause), threads.submit(self.container.remove)]
                self.network.remove(self.stages)
                for each in meanwhile:
                    each.result()
        with self.stages.time("remove the namespaces"):
            for place in self._places().values():
                KERNEL.remove_network_namespace(place)
        with self.stages.time("remove files"):
            unmount(self.folder / "shm")
            self._remove_folders()
        passed = time.perf_counter() - began
        self.undo.pop_all()  # there is nothing left to undo
        return passed * 1000

    def close(self) -> None:
        """Undo what still exists of it, newest first: everything, if it was not ended."""
        self.undo.close()
        cgroups.remove(f"{self.recipe.cgroup_parent}/{self.folder.name}")

    def _namespaces(self) -> None:
        self.undo.callback(self._remove_folders)
        with self.stages.time("make the namespaces"):
            (self.folder / "ns").mkdir(parents=True)
            for place in self._places().values():
                self.undo.callback(KERNEL.remove_network_namespace, place)
            KERNEL.new_pod_namespaces(self._places(), self.recipe.hostname, self._sysctls)
        with self.stages.time("shared memory and files"):
            shm = self.folder / "shm"
            shm.mkdir()
            self.undo.callback(unmount, shm)
            KERNEL.mount("shm", str(shm), "tmpfs", MS_NOSUID | MS_NOEXEC | MS_NODEV, _SHM)
            (self.folder / "made").mkdir()
            for path, content in self._files.items():
                path.write_text(content)
            for path in own_folders(self.recipe, self.folder):
                path.mkdir()

    def _attach(self) -> None:
        self.undo.callback(self.network.remove, Stages())
        self.network.add(self.stages)

    def _end_pause(self) -> None:
        if self.pause:
            self.pause.kill()
            self.pause.remove()

    def _places(self) -> dict[str, str]:
        return {name: str(self.folder / "ns" / name) for name in SHARED.values()}

    def _remove_folders(self) -> None:
        for folder in (self.folder, Path(self.recipe.disk, self.folder.name)):
            if folder.exists():
                shutil.rmtree(folder)


def _nothing() -> None:
    """Stand for the missing pause process."""
