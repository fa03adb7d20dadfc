"""Read the facts about the node that building a spec needs; the only file of this room that reads anything.

:meth:`NodeFacts.read` is called once when the daemon starts. Facts that can change while it runs (device nodes,
AppArmor profiles) have functions of their own, to be called in an executor when a container needs them.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from cri_shim.errors import InvalidArgumentError
from cri_shim.node_faults import is_node_fault
from cri_shim.oci import capabilities
from cri_shim.oci.devices import DeviceGrant, DeviceNode
from cri_shim.oci.security.apparmor_default import AppArmorFiles

if TYPE_CHECKING:
    from collections.abc import Iterator

# Directories of /dev that a container has itself, or that belong to other programs.
_SKIPPED_DIRECTORIES = frozenset({"pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"})
_SHARED_CGROUP2_OPTIONS = ("nsdelegate", "memory_recursiveprot", "memory_localevents", "memory_hugetlb_accounting")


class NodeFacts(Struct, frozen=True):
    """The facts about the node that building a spec needs.

    ``cgroup_v2`` means only the unified hierarchy; a hybrid node counts as v1, as in runc. ``swap`` says whether memory
    cgroups count swap. ``capabilities`` are this daemon's effective ones. ``machine`` is as in uname.
    ``cgroup2_options`` are the options of the unified mount that containers in its cgroup namespace must keep.
    ``user_namespaces`` says whether the node allows any.
    """

    cgroup_v2: bool
    controllers: frozenset[str]
    hugetlb: bool
    swap: bool
    capabilities: tuple[str, ...]
    may_lower_oom_score: bool
    oom_score_adj: int
    seccomp: bool
    apparmor: bool
    selinux: bool
    in_user_namespace: bool
    kernel: tuple[int, int]
    machine: str
    hostname: str
    hugepage_sizes: tuple[str, ...]
    cgroup2_options: tuple[str, ...] = ()
    user_namespaces: bool = False

    @classmethod
    def read(cls, root: Path = Path("/")) -> NodeFacts:
        """Read the node whose /proc and /sys are below ``root``; what cannot be read counts as absent."""
        proc, cgroup = root / "proc", root / "sys/fs/cgroup"
        status = dict(_status_lines(_text(proc / "self/status")))
        held = capabilities.from_mask(int(status.get("CapEff", "0"), 16))
        uname = os.uname()
        unified = (cgroup / "cgroup.controllers").exists()
        if unified:
            controllers = frozenset(_text(cgroup / "cgroup.controllers").split())
        else:
            controllers = frozenset(
                line.split()[0]
                for line in _text(proc / "cgroups").splitlines()
                if not line.startswith("#") and line.split()[3:4] == ["1"] and (cgroup / line.split()[0]).is_dir()
            )
        return cls(
            cgroup_v2=unified,
            controllers=controllers,
            hugetlb="hugetlb" in controllers,
            swap=_swap(cgroup, proc) if unified else (cgroup / "memory/memory.memsw.limit_in_bytes").exists(),
            capabilities=held,
            may_lower_oom_score="CAP_SYS_RESOURCE" in held,
            oom_score_adj=int(_text(proc / "self/oom_score_adj").strip() or "0"),
            seccomp="Seccomp" in status,
            apparmor=_text(root / "sys/module/apparmor/parameters/enabled").startswith("Y")
            and (root / "sys/kernel/security/apparmor").is_dir()
            # A daemon that runs in a container must not load policy.
            and not os.environ.get("container"),  # noqa: SIM112 - that is its name
            selinux=(root / "sys/fs/selinux/enforce").exists(),
            in_user_namespace=_text(proc / "self/uid_map").split() not in ([], ["0", "0", "4294967295"]),
            kernel=_kernel(uname.release),
            machine=uname.machine,
            hostname=uname.nodename,
            user_namespaces=int(_text(proc / "sys/user/max_user_namespaces").strip() or "0") > 0,
            hugepage_sizes=_hugepage_sizes(root / "sys/kernel/mm/hugepages"),
            cgroup2_options=_cgroup2_options(_text(proc / "self/mountinfo")) if unified else (),
        )


def read_apparmor_profiles(path: Path = Path("/sys/kernel/security/apparmor/profiles")) -> frozenset[str]:
    """Return the names of the AppArmor profiles that the kernel has loaded; none if it has no AppArmor."""
    return frozenset(line.rpartition(" (")[0] for line in _text(path).splitlines() if " (" in line)


def read_apparmor_files(root: Path = Path("/")) -> AppArmorFiles:
    """Find the files that the default AppArmor profile may include; what cannot be read counts as absent."""
    policy = root / "etc/apparmor.d"
    # The file contains "name (mode)" or "unconfined"; names have no blanks.
    own = _text(root / "proc/self/attr/current").strip("\0\n").partition(" ")[0]
    return AppArmorFiles(
        abi=(policy / "abi/3.0").exists(),
        tunables=(policy / "tunables/global").exists(),
        base=(policy / "abstractions/base").exists(),
        daemon_profile=own or "unconfined",
    )


def has_rdt(resctrl: Path = Path("/sys/fs/resctrl")) -> bool:
    """Return whether resctrl is mounted, which classes of cache and memory bandwidth (Intel RDT, AMD QoS) need."""
    return (resctrl / "schemata").exists()


def read_device_node(path: str) -> DeviceNode | None:
    """Read the device node at a path without following links; None for other files, OSError if it is missing."""
    return _node(Path(path))


def read_device_grants(host_path: str, container_path: str, permissions: str) -> tuple[DeviceGrant, ...]:
    """Return the nodes that a CRI ``Device`` refers to: one node, or all in a directory and below it.

    Follows symbolic links in the host path. Raises InvalidArgumentError for a path that is not a device.
    """
    source = Path(os.path.realpath(host_path))
    try:
        if source.is_dir():
            nodes = tuple(_walk(source))
        else:
            node = _node(source)
            nodes = () if node is None else (node,)
    except OSError as error:
        if is_node_fault(error):
            raise
        raise InvalidArgumentError(f"device {host_path!r} cannot be read: {error.strerror}") from error
    if not nodes:
        raise InvalidArgumentError(f"{host_path!r} is neither a device nor a directory that contains one")
    target = container_path or host_path
    return tuple(
        DeviceGrant(node, os.path.normpath(Path(target) / Path(node.path).relative_to(source)), permissions)
        for node in nodes
    )


def read_host_devices(root: Path = Path("/dev")) -> tuple[DeviceNode, ...]:
    """Return the device nodes below /dev that a privileged container gets."""
    return tuple(_walk(root))


def _walk(directory: Path) -> Iterator[DeviceNode]:
    """Yield the nodes in and below a directory; skips links, consoles, FIFOs and files that vanish."""
    for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
        if not _has_utf8(entry.name):
            continue  # a runtime spec could not name it
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in _SKIPPED_DIRECTORIES:
                yield from _walk(path)
        elif entry.name != "console":
            with contextlib.suppress(FileNotFoundError):
                node = _node(path)
                if node is not None and node.kind != "p":
                    yield node


def _has_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _node(path: Path) -> DeviceNode | None:
    """Read the device node at a path without following links; None if it is not a device."""
    status = path.lstat()
    if stat.S_ISCHR(status.st_mode):
        kind = "c"
    elif stat.S_ISBLK(status.st_mode):
        kind = "b"
    elif stat.S_ISFIFO(status.st_mode):
        kind = "p"
    else:
        return None
    return DeviceNode(
        path=str(path),
        kind=kind,
        major=os.major(status.st_rdev),
        minor=os.minor(status.st_rdev),
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _status_lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon:
            yield name, value.strip()


def _kernel(release: str) -> tuple[int, int]:
    match = re.match(r"(\d+)\.(\d+)", release)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _swap(cgroup: Path, proc: Path) -> bool:
    """Return whether v2 counts swap, by this process's cgroup, because the root cgroup lacks the file."""
    for line in _text(proc / "self/cgroup").splitlines():
        hierarchy, _, path = line.partition("::")
        if hierarchy == "0":
            return (cgroup / path.lstrip("/") / "memory.swap.max").exists()
    return False


def _hugepage_sizes(directory: Path) -> tuple[str, ...]:
    """Return the huge page sizes as cgroup files and CRI name them: 64KB, 2MB, 1GB."""
    try:
        names = [path.name for path in directory.iterdir()]
    except OSError:
        return ()
    sizes = sorted(int(match[1]) for match in (re.fullmatch(r"hugepages-(\d+)kB", name) for name in names) if match)
    return tuple(_size_name(size) for size in sizes)


def _size_name(kib: int) -> str:
    for unit in ("KB", "MB", "GB"):
        if kib < 1024:
            return f"{kib}{unit}"
        kib //= 1024
    return f"{kib}TB"


def _cgroup2_options(mountinfo: str) -> tuple[str, ...]:
    """Return the options of the mount at /sys/fs/cgroup that belong to the file system as a whole."""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        if before.split()[4:5] == ["/sys/fs/cgroup"] and after.startswith("cgroup2 "):
            present = after.split()[2].split(",")
            return tuple(option for option in _SHARED_CGROUP2_OPTIONS if option in present)
    return ()
