"""A kernel double that only records its calls, for tests of order and undo without root."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from cri_shim.kernel.open_in_root import walk_in_root
from cri_shim.kernel.protocol import MNT_DETACH, NSFS_MAGIC, TMPFS_MAGIC, UMOUNT_NOFOLLOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cri_shim.kernel.protocol import IdRange

T = TypeVar("T")


class Call(NamedTuple):
    """One recorded call: the method's name and its arguments."""

    name: str
    args: tuple[object, ...]


class RecordingKernel:
    """A ``Kernel`` double; the next calls of a method raise ``fail[name]`` after they were recorded.

    It remembers which namespaces and mounts would exist: ``namespaces`` and ``mounts`` (targets, newest last).
    """

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.fail: dict[str, OSError] = {}
        self.namespaces: set[str] = set()
        self.mounts: list[str] = []
        self.filesystem_types: dict[str, int] = {}

    def names(self) -> list[str]:
        """Return the recorded method names in order."""
        return [call.name for call in self.calls]

    def _record(self, name: str, *args: object) -> None:
        self.calls.append(Call(name, args))
        if name in self.fail:
            raise self.fail[name]

    def mount(self, source: str, target: str, fstype: str, flags: int, data: str, *, chdir: str = "") -> None:
        """Record the call; a target counts as mounted once, whatever follow-up calls change it."""
        self._record("mount", source, target, fstype, flags, data, chdir)
        if source and target not in self.mounts:
            self.mounts.append(target)

    @contextmanager
    def loop_device(self, file: str, *, read_only: bool) -> Iterator[str]:
        """Record the call and yield the name of a device that does not exist."""
        self._record("loop_device", file, read_only)
        yield "/dev/loop0"

    def umount(self, target: str, flags: int = MNT_DETACH | UMOUNT_NOFOLLOW) -> None:
        """Record the call and forget the mount."""
        self._record("umount", target, flags)
        if target in self.mounts:
            self.mounts.remove(target)

    def new_network_namespace(self, path: str) -> None:
        """Record the call and remember the namespace."""
        self._record("new_network_namespace", path)
        self.namespaces.add(path)

    def new_pod_namespaces(self, places: Mapping[str, str], hostname: str, sysctls: Mapping[str, str]) -> None:
        """Record the call and remember the namespaces."""
        self._record("new_pod_namespaces", dict(places), hostname, dict(sysctls))
        self.namespaces |= set(places.values())

    def new_user_namespace(
        self, path: str, uids: Sequence[IdRange], gids: Sequence[IdRange], netns_path: str = ""
    ) -> None:
        """Record the call and remember the namespaces."""
        self._record("new_user_namespace", path, tuple(uids), tuple(gids), netns_path)
        self.namespaces |= {path, netns_path} - {""}

    def mount_idmapped(self, source: str, target: str, userns: str) -> None:
        """Record the call and count the target as mounted."""
        self._record("mount_idmapped", source, target, userns)
        self.mounts.append(target)

    def remove_network_namespace(self, path: str) -> None:
        """Record the call and forget the namespace."""
        self._record("remove_network_namespace", path)
        self.namespaces.discard(path)

    def run_in_network_namespace(self, path: str, fn: Callable[[], T]) -> T:
        """Record the call and run ``fn`` in the calling thread."""
        self._record("run_in_network_namespace", path)
        return fn()

    def open_in_root(self, root_fd: int, path: str, flags: int) -> int:
        """Record the call and open the real file, by the portable walk."""
        self._record("open_in_root", path, flags)
        return walk_in_root(root_fd, path, flags)

    def tee(self, fd_in: int, fd_out: int, size: int) -> int:
        """Record the call and report that everything was copied."""
        self._record("tee", fd_in, fd_out, size)
        return size

    def signal_namespace_init(self, pid: int, number: int, cgroup: str) -> bool:
        """Record the call and find no such process."""
        self._record("signal_namespace_init", pid, number, cgroup)
        return False

    def filesystem_type(self, path: str) -> int:
        """Record the call; recorded namespaces are namespace files, others as in ``filesystem_types``, else tmpfs."""
        self._record("filesystem_type", path)
        if path in self.namespaces:
            return NSFS_MAGIC
        return self.filesystem_types.get(path, TMPFS_MAGIC)
