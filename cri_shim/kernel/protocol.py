"""Define the system calls that this daemon needs beyond the standard library.

The protocol has two implementations, ``LinuxKernel`` for the real kernel and ``RecordingKernel`` for unit tests, so
that the order of mounts and namespaces can be tested without root. All calls block: run them in an executor of
``cri_shim.kernel.executors``, never on the event loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

T = TypeVar("T")

IdRange: TypeAlias = tuple[int, int, int]
"""A line of an id mapping: first id inside the namespace, first id outside, number of ids."""

# umount2(2)
MNT_FORCE: Final = 0x1
MNT_DETACH: Final = 0x2
MNT_EXPIRE: Final = 0x4
UMOUNT_NOFOLLOW: Final = 0x8

# statfs(2), f_type
CGROUP2_MAGIC: Final = 0x63677270
NSFS_MAGIC: Final = 0x6E736673
OVERLAYFS_MAGIC: Final = 0x794C7630
PROC_MAGIC: Final = 0x9FA0
TMPFS_MAGIC: Final = 0x01021994


class Kernel(Protocol):
    """System calls by purpose; every failure is an ``OSError`` with errno and the path concerned."""

    def mount(self, source: str, target: str, fstype: str, flags: int, data: str, *, chdir: str = "") -> None:
        """Make a mount; relative paths in ``source`` and ``data`` start at ``chdir`` if it is given."""
        ...

    def loop_device(self, file: str, *, read_only: bool) -> AbstractContextManager[str]:
        """Yield the path of a block device that contains ``file``; mounts made from it in the block stay mounted."""
        ...

    def umount(self, target: str, flags: int = MNT_DETACH | UMOUNT_NOFOLLOW) -> None:
        """Unmount by umount2(2); raises ``OSError`` with EINVAL for a target that is not a mount point."""
        ...

    def new_network_namespace(self, path: str) -> None:
        """Make a network namespace with ``lo`` up and bind it to ``path``, which must not exist yet."""
        ...

    def new_pod_namespaces(self, places: Mapping[str, str], hostname: str, sysctls: Mapping[str, str]) -> None:
        """Make new namespaces and bind each to its path in ``places``, by kind: "net" (with ``lo`` up), "uts", "ipc".

        ``hostname`` is set in the UTS namespace. ``sysctls`` are set in the new namespaces: values by path below
        /proc/sys, each of which must belong to one of them. The paths in ``places`` must not exist yet.
        """
        ...

    def new_user_namespace(
        self, path: str, uids: Sequence[IdRange], gids: Sequence[IdRange], netns_path: str = ""
    ) -> None:
        """Make a user namespace bound to ``path``, with a network namespace that it owns bound to ``netns_path``.

        Neither path may exist yet; ``lo`` is up in the network namespace. Without ``netns_path`` none is made.
        """
        ...

    def mount_idmapped(self, source: str, target: str, userns: str) -> None:
        """Bind ``source`` and all below it to ``target``, ids mapped by the user namespace at the file ``userns``."""
        ...

    def remove_network_namespace(self, path: str) -> None:
        """Release the namespace of any kind that is bound to ``path``, and remove the file; it may be gone already."""
        ...

    def run_in_network_namespace(self, path: str, fn: Callable[[], T]) -> T:
        """Run ``fn`` in a new thread inside the namespace; sockets that it makes stay in the namespace for good."""
        ...

    def open_in_root(self, root_fd: int, path: str, flags: int) -> int:
        """Open ``path`` as if ``root_fd`` were ``/``: neither ``..`` nor a symbolic link leads out of it."""
        ...

    def tee(self, fd_in: int, fd_out: int, size: int) -> int:
        """Copy up to ``size`` bytes from pipe to pipe without consuming them; never blocks (``BlockingIOError``)."""
        ...

    def signal_namespace_init(self, pid: int, number: int, cgroup: str) -> bool:
        """Send a signal to process ``pid`` if it is the first of its PID namespace, in a cgroup named ``cgroup``.

        Return False if nothing was sent. Never raises ``OSError``.
        """
        ...

    def filesystem_type(self, path: str) -> int:
        """Return the magic number of the file system that contains ``path`` (statfs(2), f_type)."""
        ...


def is_cgroup2(kernel: Kernel, path: str = "/sys/fs/cgroup") -> bool:
    """Return whether ``path`` is the unified cgroup hierarchy (v2); a hybrid setup has a tmpfs there, so it is v1."""
    try:
        return kernel.filesystem_type(path) == CGROUP2_MAGIC
    except FileNotFoundError:
        return False


def is_namespace_file(kernel: Kernel, path: str) -> bool:
    """Return whether a live namespace is bound to ``path``; a plain file left behind by a reboot does not count."""
    try:
        return kernel.filesystem_type(path) in (NSFS_MAGIC, PROC_MAGIC)
    except (FileNotFoundError, NotADirectoryError):
        return False
