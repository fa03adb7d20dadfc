"""Turn mounts, as containerd and the OCI spec describe them, into calls of mount(2).

Both describe a mount by source, type and fstab-style options. The system call needs a flag word and a data string, and
one mount may need three calls: the mount itself, a remount (the only way to make a bind mount read-only) and the change
of propagation, which the kernel accepts only in a call of its own. Sources of the option names: mount(8), mount(2), the
OCI runtime spec's table of mount options; of the follow-up calls: containerd core/mount/mount_linux.go.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from cri_shim.kernel.protocol import Kernel

MS_RDONLY: Final = 0x1
MS_NOSUID: Final = 0x2
MS_NODEV: Final = 0x4
MS_NOEXEC: Final = 0x8
MS_SYNCHRONOUS: Final = 0x10
MS_REMOUNT: Final = 0x20
MS_MANDLOCK: Final = 0x40
MS_DIRSYNC: Final = 0x80
MS_NOSYMFOLLOW: Final = 0x100
MS_NOATIME: Final = 0x400
MS_NODIRATIME: Final = 0x800
MS_BIND: Final = 0x1000
MS_REC: Final = 0x4000
MS_SILENT: Final = 0x8000
MS_UNBINDABLE: Final = 1 << 17
MS_PRIVATE: Final = 1 << 18
MS_SLAVE: Final = 1 << 19
MS_SHARED: Final = 1 << 20
MS_RELATIME: Final = 1 << 21
MS_STRICTATIME: Final = 1 << 24

_SET: Final = {
    "bind": MS_BIND, "rbind": MS_BIND | MS_REC, "remount": MS_REMOUNT, "ro": MS_RDONLY, "nosuid": MS_NOSUID,
    "nodev": MS_NODEV, "noexec": MS_NOEXEC, "sync": MS_SYNCHRONOUS, "dirsync": MS_DIRSYNC, "mand": MS_MANDLOCK,
    "noatime": MS_NOATIME, "nodiratime": MS_NODIRATIME, "relatime": MS_RELATIME, "strictatime": MS_STRICTATIME,
    "nosymfollow": MS_NOSYMFOLLOW, "silent": MS_SILENT,
}  # fmt: skip
_CLEAR: Final = {
    "rw": MS_RDONLY, "suid": MS_NOSUID, "dev": MS_NODEV, "exec": MS_NOEXEC, "async": MS_SYNCHRONOUS,
    "nomand": MS_MANDLOCK, "atime": MS_NOATIME, "diratime": MS_NODIRATIME, "norelatime": MS_RELATIME,
    "nostrictatime": MS_STRICTATIME, "symfollow": MS_NOSYMFOLLOW, "loud": MS_SILENT, "defaults": 0,
}  # fmt: skip
_PROPAGATION: Final = {
    "shared": MS_SHARED, "rshared": MS_SHARED | MS_REC, "slave": MS_SLAVE, "rslave": MS_SLAVE | MS_REC,
    "private": MS_PRIVATE, "rprivate": MS_PRIVATE | MS_REC, "unbindable": MS_UNBINDABLE,
    "runbindable": MS_UNBINDABLE | MS_REC,
}  # fmt: skip

# The kernel copies one page of options. Our options stay below that, to leave room for what the file system adds.
PAGE: Final = os.sysconf("SC_PAGESIZE")
_PAGE_RESERVE: Final = 512


class MountLike(Protocol):
    """What containerd's ``types.Mount`` message and ``Mount`` below have in common."""

    @property
    def type(self) -> str:
        """The file system, or ``bind``."""

    @property
    def source(self) -> str:
        """What is mounted."""

    @property
    def target(self) -> str:
        """Where it is mounted, below the root of the snapshot."""

    @property
    def options(self) -> Sequence[str]:
        """Options as in ``fstab``."""


class Mount(Struct, frozen=True):
    """One mount; ``target`` is a path below the common target, usually empty (containerd 1.7 and later)."""

    type: str
    source: str
    options: tuple[str, ...] = ()
    target: str = ""


class MountOptions(Struct, frozen=True):
    """Options for the system call: ``flags``, ``propagation`` flags for a call of their own, and ``data``.

    ``loop`` means that the source is a file to be mounted as a block device.
    """

    flags: int = 0
    propagation: int = 0
    data: tuple[str, ...] = ()
    loop: bool = False


class UnsupportedMountError(ValueError):
    """Only containerd can make this mount; the text says what the mount needs."""


def parse_options(options: Iterable[str]) -> MountOptions:
    """Sort fstab-style options into flags, propagation and file system data; a later option overrides an earlier one.

    Raises ``UnsupportedMountError`` for options that need more than mount(2): id mapping, containerd's internal ones.
    """
    flags = propagation = 0
    loop = False
    data: list[str] = []
    for option in options:
        if option in _SET:
            flags |= _SET[option]
        elif option in _CLEAR:
            flags &= ~_CLEAR[option]
        elif option in _PROPAGATION:
            propagation = _PROPAGATION[option]
        elif option == "loop":
            loop = True
        elif option.startswith(("uidmap=", "gidmap=", "X-containerd.", "loop=")):
            raise UnsupportedMountError(f"mount option '{escaped(option)}' is not supported here")
        elif option:
            data.append(option)
    return MountOptions(flags, propagation, tuple(data), loop)


def mount_one(kernel: Kernel, mount: MountLike, target: str) -> None:
    """Make one mount on ``target`` (plus the mount's own sub path), with all calls that its options need.

    Raises ``OSError`` (E2BIG if the options do not fit into a page) and ``ValueError`` (options, a sub path with
    ``..``, a type that containerd must prepare). If a follow-up call fails, the mount itself is undone.
    """
    if "/" in mount.type:  # "format/overlay", "mkfs/ext4": steps that containerd 2.2 and later performs itself
        raise UnsupportedMountError(f"mount type '{escaped(mount.type)}' is not supported here")
    target = _below(target, mount.target)
    options = parse_options(mount.options)
    data = ",".join(options.data)
    chdir = ""
    if mount.type == "overlay" and len(data) >= PAGE - _PAGE_RESERVE:
        chdir, options = _shorten_lowerdirs(options)
        data = ",".join(options.data)
    if len(data) >= PAGE:
        raise OSError(
            errno.E2BIG, f"{mount.type} options of {len(data)} bytes exceed the kernel's page of {PAGE}", target
        )
    if options.loop:
        _mount_file(kernel, mount, target, options.flags, data)
    else:
        kernel.mount(mount.source, target, mount.type, options.flags, data, chdir=chdir)
    try:
        bind_flags = options.flags & ~MS_REC
        if options.flags & MS_BIND and not options.flags & MS_REMOUNT and bind_flags != MS_BIND:
            # A new bind mount inherits the flags of its source; ours take effect only by a remount.
            kernel.mount("", target, "", bind_flags | MS_REMOUNT, "")
        if options.propagation:
            kernel.mount("", target, "", options.propagation, "")
    except OSError:
        with suppress(OSError):
            kernel.umount(target)
        raise


def _mount_file(kernel: Kernel, mount: MountLike, target: str, flags: int, data: str) -> None:
    """Mount a file system in a file: directly if the kernel supports it (erofs, Linux 6.12), else by a loop device."""
    if mount.type == "erofs":
        try:
            kernel.mount(mount.source, target, mount.type, flags, data)
        except OSError as error:
            if error.errno != errno.ENOTBLK:
                raise
        else:
            return
    with kernel.loop_device(mount.source, read_only=bool(flags & MS_RDONLY)) as device:
        kernel.mount(device, target, mount.type, flags, data)


def mount_all(kernel: Kernel, mounts: Iterable[MountLike], target: str) -> None:
    """Mount all ``mounts`` on ``target`` in order; if one fails, unmount those before it again."""
    done: list[str] = []
    try:
        for mount in mounts:
            mount_one(kernel, mount, target)
            done.append(_below(target, mount.target))
    except (OSError, ValueError):
        for place in reversed(done):
            with suppress(OSError):
                kernel.umount(place)
        raise


def unmount_all(kernel: Kernel, target: str) -> None:
    """Unmount everything that is stacked at ``target``, which may be nothing; raises ``OSError``.

    Checking first would not work: a bind mount of the same file system cannot be distinguished from a directory.
    """
    while True:
        try:
            kernel.umount(target)
        except OSError as error:
            if error.errno == errno.EINVAL:  # not a mount point any more
                return
            raise


def remove_mount_point(point: Path) -> None:
    """Remove an empty directory or a file on which nothing is mounted any more; raises ``OSError``."""
    if stat.S_ISDIR(point.lstat().st_mode):
        point.rmdir()
    else:
        point.unlink()


def read_only(mounts: Iterable[MountLike]) -> list[Mount]:
    """Return read-only mounts of the same file system trees.

    An overlay loses its upperdir and workdir; its upper layer becomes the topmost lower one, so that the container's
    own changes stay visible. Id mapping is dropped: the content is the same, and owners are the unmapped ones.
    """
    result = []
    for mount in mounts:
        options = [o for o in mount.options if o not in ("ro", "rw") and not o.startswith(("uidmap=", "gidmap="))]
        if mount.type == "overlay":
            upper = [o.removeprefix("upperdir=") for o in options if o.startswith("upperdir=")]
            lower = [o.removeprefix("lowerdir=") for o in options if o.startswith("lowerdir=")]
            rest = [o for o in options if not o.startswith(("upperdir=", "workdir=", "lowerdir=")) and o != "volatile"]
            layers = ":".join(upper + lower)
            if ":" not in layers and layers:
                # Without an upper layer overlayfs needs two lower ones; a single one is just a bind mount.
                result.append(Mount("bind", layers, ("rbind", "ro"), mount.target))
                continue
            options = [*rest, f"lowerdir={layers}"]
        result.append(Mount(mount.type, mount.source, (*options, "ro"), mount.target))
    return result


@contextmanager
def new_mount_point(directory: Path) -> Iterator[str]:
    """Make ``directory`` and a place to mount in it, and remove both when the ``with`` block ends. Raises OSError."""
    point = directory / "0"
    directory.mkdir(mode=0o700)
    try:
        point.mkdir(mode=0o700)
        try:
            yield str(point)
        finally:
            # rmdir and never a recursive removal: if the unmount failed, the image's files are still below this path
            point.rmdir()
    finally:
        directory.rmdir()


@contextmanager
def mounted_read_only(kernel: Kernel, mounts: Iterable[MountLike], target: str) -> Iterator[None]:
    """Keep a snapshot mounted read-only on the directory ``target`` while the ``with`` block runs.

    Blocks: use it inside one function that runs in an executor.
    """
    views = read_only(mounts)
    mount_all(kernel, views, target)
    try:
        yield
    finally:
        for view in reversed(views):
            kernel.umount(_below(target, view.target))


def _below(target: str, sub: str) -> str:
    if not sub:
        return target
    if ".." in sub.split("/"):
        raise ValueError(f"mount target {sub!r} leads out of its root")
    return f"{target.rstrip('/')}/{sub.lstrip('/')}"


def _shorten_lowerdirs(options: MountOptions) -> tuple[str, MountOptions]:
    """Make long lists of lower layers relative to their common directory, the working directory of the mount call."""
    for index, word in enumerate(options.data):
        lowers = word.removeprefix("lowerdir=").split(":")
        if word.startswith("lowerdir=") and len(lowers) > 1 and all(lower.startswith("/") for lower in lowers):
            common = os.path.commonpath(lowers)
            relative = ":".join(os.path.relpath(lower, common) for lower in lowers)
            data = (*options.data[:index], f"lowerdir={relative}", *options.data[index + 1 :])
            return common, replace(options, data=data)
    return "", options
