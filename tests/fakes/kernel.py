"""A kernel for whole services without root: mounts and namespaces are remembered, their files are really there.

:class:`cri_shim.kernel.recording.RecordingKernel` records calls and knows nothing of a disk. A service asks more of
its kernel: a namespace is a file that other code looks for and removes, an unmount says when nothing is mounted, and
the log of a container is read through ``tee``.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.kernel import recording
from cri_shim.kernel.linux import LinuxKernel
from cri_shim.kernel.protocol import MNT_DETACH, UMOUNT_NOFOLLOW

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cri_shim.kernel.protocol import IdRange


class RecordingKernel(recording.RecordingKernel):
    """The second implementation of :class:`~cri_shim.kernel.protocol.Kernel`. It never needs root.

    ``left`` is what a test compares before and after: the mounts and namespaces that exist.
    """

    def __init__(self) -> None:
        super().__init__()
        self.processes: Callable[[int, int, str], bool] | None = None
        """Delivers a signal to a process: ``FakeContainerd.signal_init``. None has none of the fake's processes here,
        as if containerd's pids were those of another PID namespace."""

    def left(self) -> tuple[list[str], list[str]]:
        """Return mount points and namespaces that exist now, sorted."""
        return sorted(self.mounts), sorted(self.namespaces)

    def umount(self, target: str, flags: int = MNT_DETACH | UMOUNT_NOFOLLOW) -> None:
        """Record the call and forget the mount; say EINVAL where nothing is mounted, as the kernel does."""
        mounted = target in self.mounts
        super().umount(target, flags)
        if not mounted:
            code = errno.EINVAL if Path(target).exists() else errno.ENOENT
            raise OSError(code, f"umount: {os.strerror(code).lower()}", target)

    def new_network_namespace(self, path: str) -> None:
        """Record the call and make the file that the namespace is bound to."""
        super().new_network_namespace(path)
        _make_place(path)

    def new_pod_namespaces(self, places: Mapping[str, str], hostname: str, sysctls: Mapping[str, str]) -> None:
        """Record the call and make the files that the namespaces are bound to."""
        super().new_pod_namespaces(places, hostname, sysctls)
        for path in places.values():
            _make_place(path)

    def new_user_namespace(
        self, path: str, uids: Sequence[IdRange], gids: Sequence[IdRange], netns_path: str = ""
    ) -> None:
        """Record the call and make the files that the namespaces are bound to."""
        super().new_user_namespace(path, uids, gids, netns_path)
        for place in filter(None, (path, netns_path)):
            _make_place(place)

    def remove_network_namespace(self, path: str) -> None:
        """Record the call, forget the namespace and remove its file."""
        super().remove_network_namespace(path)
        Path(path).unlink(missing_ok=True)

    def signal_namespace_init(self, pid: int, number: int, cgroup: str) -> bool:
        """Record the call and deliver the signal to one of ``processes``, if it can be."""
        sent = super().signal_namespace_init(pid, number, cgroup)
        return sent if self.processes is None else self.processes(pid, number, cgroup)

    def filesystem_type(self, path: str) -> int:
        """Record the call and answer for what exists; anything else raises FileNotFoundError."""
        kind = super().filesystem_type(path)
        Path(path).stat()
        return kind

    def tee(self, fd_in: int, fd_out: int, size: int) -> int:
        """Copy between pipes for real, which needs no right."""
        return LinuxKernel().tee(fd_in, fd_out, size)


def _make_place(path: str) -> None:
    """Make the file of a namespace, which must not exist yet."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).touch(mode=0o444, exist_ok=False)
