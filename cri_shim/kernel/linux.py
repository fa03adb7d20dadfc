"""The real kernel, called through ctypes.

libc's wrappers set errno per thread and ctypes releases the GIL during the call, so many threads may use this module at
the same time. In Linux a namespace belongs to a thread. Code that changes one therefore runs in a thread of its own
that ends afterwards, and never in a pool thread, whose later calls would inherit the namespace.
Facts: mount(2), umount2(2), unshare(2), setns(2), openat2(2), tee(2), netdevice(7).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from cri_shim.kernel.loop_devices import loop_device
from cri_shim.kernel.mount_tree import mount_idmapped
from cri_shim.kernel.mounts import unmount_all
from cri_shim.kernel.namespace_init import signal_namespace_init
from cri_shim.kernel.open_in_root import walk_in_root
from cri_shim.kernel.protocol import MNT_DETACH, UMOUNT_NOFOLLOW
from cri_shim.kernel.sysctls import write_sysctls
from cri_shim.kernel.user_namespace import child_with_namespaces

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from cri_shim.kernel.protocol import IdRange

T = TypeVar("T")

_CLONE_FS: Final = 0x00000200
_CLONE_NEWNET: Final = 0x40000000
_CLONE_OF: Final = {"net": _CLONE_NEWNET, "uts": 0x04000000, "ipc": 0x08000000}
_MS_BIND: Final = 4096
_SPLICE_F_NONBLOCK: Final = 2
_SYS_OPENAT2: Final = 437  # the same number on every architecture
_RESOLVE_NO_MAGICLINKS: Final = 0x02
_RESOLVE_IN_ROOT: Final = 0x10
_OPENAT2_TRIES: Final = 64
_SIOCGIFFLAGS: Final = 0x8913
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 0x1
_STATFS_SIZE: Final = 256  # struct statfs has 120 bytes on 64-bit machines
_BUSY_TRIES: Final = 5
_BUSY_PAUSE: Final = 0.02  # seconds, doubled each time

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]
_libc.umount2.argtypes = [ctypes.c_char_p, ctypes.c_int]
_libc.unshare.argtypes = [ctypes.c_int]
_libc.setns.argtypes = [ctypes.c_int, ctypes.c_int]
_libc.tee.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_size_t, ctypes.c_uint]
_libc.tee.restype = ctypes.c_ssize_t
_libc.statfs.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
_libc.syscall.restype = ctypes.c_long


def _check(result: int, path: str | None, what: str) -> int:
    """Turn libc's -1 into an ``OSError`` of the right subclass that says which call failed on which path."""
    if result != -1:
        return result
    code = ctypes.get_errno()
    text = f"{what}: {os.strerror(code).lower()}"
    raise OSError(code, text) if path is None else OSError(code, text, path)


def _in_own_thread(fn: Callable[[], T], name: str) -> T:
    """Run ``fn`` in a thread made for it and wait; its changes to its own namespaces end with the thread."""
    result: list[T] = []
    failure: list[BaseException] = []

    def body() -> None:
        try:
            result.append(fn())
        except BaseException as error:  # noqa: BLE001 - raised again in the calling thread
            failure.append(error)

    thread = threading.Thread(target=body, name=name, daemon=True)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return result[0]


class LinuxKernel:
    """``Kernel`` on 64-bit Linux; it has no state, so one object serves all threads."""

    def mount(self, source: str, target: str, fstype: str, flags: int, data: str, *, chdir: str = "") -> None:
        """See ``Kernel.mount``. The working directory is changed in a thread that does not share it."""

        def call() -> None:
            result = _libc.mount(os.fsencode(source), os.fsencode(target), fstype.encode(), flags, os.fsencode(data))
            _check(result, target, f"mount {fstype or 'flags'} from {source or 'none'}")

        def call_there() -> None:
            _check(_libc.unshare(_CLONE_FS), None, "unshare the working directory")
            os.chdir(chdir)
            call()

        if chdir:
            _in_own_thread(call_there, "mount-chdir")
        else:
            call()

    def loop_device(self, file: str, *, read_only: bool) -> AbstractContextManager[str]:
        """See ``Kernel.loop_device``."""
        return loop_device(file, read_only=read_only)

    def umount(self, target: str, flags: int = MNT_DETACH | UMOUNT_NOFOLLOW) -> None:
        """See ``Kernel.umount``."""
        _check(_libc.umount2(os.fsencode(target), flags), target, "unmount")

    def new_network_namespace(self, path: str) -> None:
        """See ``Kernel.new_network_namespace``. The file is removed again if a step fails.

        Raises ``FileExistsError`` if ``path`` exists already, so that no namespace is hidden under another.
        """
        place = _new_place(path)

        def make() -> None:
            _check(_libc.unshare(_CLONE_NEWNET), path, "make a network namespace for")
            _bring_up("lo")
            self.mount("/proc/thread-self/ns/net", path, "", _MS_BIND, "")

        try:
            _in_own_thread(make, "new-netns")
        except BaseException:
            place.unlink(missing_ok=True)
            raise

    def new_pod_namespaces(self, places: Mapping[str, str], hostname: str, sysctls: Mapping[str, str]) -> None:
        """See ``Kernel.new_pod_namespaces``. All files are removed again if a step fails."""
        made: list[str] = []

        def make() -> None:
            flags = 0
            for kind in places:
                flags |= _CLONE_OF[kind]
            _check(_libc.unshare(flags), None, f"make the namespaces {', '.join(places)}")
            if "net" in places:
                _bring_up("lo")
            if "uts" in places:
                socket.sethostname(hostname)
            write_sysctls(sysctls)
            for kind, place in places.items():
                _new_place(place)
                made.append(place)
                self.mount(f"/proc/thread-self/ns/{kind}", place, "", _MS_BIND, "")

        try:
            _in_own_thread(make, "new-pod-namespaces")
        except BaseException:
            for place in made:
                self.remove_network_namespace(place)
            raise

    def new_user_namespace(
        self, path: str, uids: Sequence[IdRange], gids: Sequence[IdRange], netns_path: str = ""
    ) -> None:
        """See ``Kernel.new_user_namespace``. Both files are removed again if a step fails."""
        wanted = [(path, "user"), (netns_path, "net")] if netns_path else [(path, "user")]
        made: list[str] = []
        try:
            with child_with_namespaces(uids, gids, network=bool(netns_path)) as namespaces:
                for place, kind in wanted:
                    _new_place(place)
                    made.append(place)
                    self.mount(str(namespaces / kind), place, "", _MS_BIND, "")
            if netns_path:
                self.run_in_network_namespace(netns_path, lambda: _bring_up("lo"))
        except BaseException:
            for place in made:
                self.remove_network_namespace(place)
            raise

    def mount_idmapped(self, source: str, target: str, userns: str) -> None:
        """See ``Kernel.mount_idmapped``."""
        mount_idmapped(source, target, userns)

    def remove_network_namespace(self, path: str) -> None:
        """See ``Kernel.remove_network_namespace``. Retries while another mount namespace keeps the file busy."""
        pause = _BUSY_PAUSE
        for attempt in range(_BUSY_TRIES):
            if not self._unmount_all(path):
                return
            try:
                Path(path).unlink(missing_ok=True)
            except OSError as error:
                if error.errno != errno.EBUSY or attempt == _BUSY_TRIES - 1:
                    raise
                time.sleep(pause)
                pause *= 2
            else:
                return

    def _unmount_all(self, path: str) -> bool:
        """Unmount everything that is stacked on ``path``; return False if the file does not exist."""
        try:
            unmount_all(self, path)
        except FileNotFoundError:
            return False
        return True

    def run_in_network_namespace(self, path: str, fn: Callable[[], T]) -> T:
        """See ``Kernel.run_in_network_namespace``."""

        def enter() -> T:
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO may lie in its place
            try:
                _check(_libc.setns(fd, _CLONE_NEWNET), path, "enter the network namespace")
            finally:
                os.close(fd)
            return fn()

        return _in_own_thread(enter, "in-netns")

    def open_in_root(self, root_fd: int, path: str, flags: int) -> int:
        """See ``Kernel.open_in_root``. Without openat2 (Linux before 5.6, or forbidden) it walks by component."""
        how = struct.pack("=QQQ", flags | os.O_CLOEXEC, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
        name = os.fsencode(path) or b"."
        for _ in range(_OPENAT2_TRIES):
            fd = _libc.syscall(
                ctypes.c_long(_SYS_OPENAT2),
                ctypes.c_int(root_fd),
                ctypes.c_char_p(name),
                ctypes.c_char_p(how),
                ctypes.c_size_t(len(how)),
            )
            if fd >= 0:
                return int(fd)
            code = ctypes.get_errno()
            if code in (errno.ENOSYS, errno.EPERM):
                return walk_in_root(root_fd, path, flags)
            if code != errno.EAGAIN:  # EAGAIN: something was renamed during the walk
                raise OSError(code, f"open inside a root: {os.strerror(code).lower()}", path)
        raise OSError(errno.EAGAIN, "open inside a root: the directories keep moving", path)

    def tee(self, fd_in: int, fd_out: int, size: int) -> int:
        """See ``Kernel.tee``."""
        return _check(_libc.tee(fd_in, fd_out, size, _SPLICE_F_NONBLOCK), None, "tee")

    def signal_namespace_init(self, pid: int, number: int, cgroup: str) -> bool:
        """See ``Kernel.signal_namespace_init``."""
        return signal_namespace_init(pid, number, cgroup)

    def filesystem_type(self, path: str) -> int:
        """See ``Kernel.filesystem_type``."""
        buffer = ctypes.create_string_buffer(_STATFS_SIZE)
        _check(_libc.statfs(os.fsencode(path), buffer), path, "statfs")
        (magic,) = struct.unpack_from("@l", buffer)
        return int(magic) & 0xFFFFFFFF


def _new_place(path: str) -> Path:
    """Make the empty file that a namespace is bound to; raises ``FileExistsError`` if the path exists."""
    place = Path(path)
    place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
    return place


def _bring_up(interface: str) -> None:
    """Set the up flag of an interface in the namespace of the calling thread."""
    name = interface.encode().ljust(16, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
        request = fcntl.ioctl(control, _SIOCGIFFLAGS, name + b"\0" * 24)
        (flags,) = struct.unpack_from("=H", request, 16)
        fcntl.ioctl(control, _SIOCSIFFLAGS, name + struct.pack("=H", flags | _IFF_UP) + b"\0" * 22)
