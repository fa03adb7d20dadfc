"""Remember what a kubelet changes outside its own directory, and put it back.

A kubelet sets kernel settings for the whole machine (``kernel.panic``, ``vm.overcommit_memory`` and others), makes
``/var/lib/kubelet/device-plugins`` and empties it, links each container's log in ``/var/log/containers``, and makes a
mount of its root directory. A machine on which another kubelet works, or has left its plugins, is not touched at all.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.bench.kubelet.process import KubeletError
from cri_shim.kernel.linux import LinuxKernel
from cri_shim.kernel.mountinfo import mounts_under, read_mountinfo

if TYPE_CHECKING:
    from collections.abc import Mapping

SYSCTLS = (
    *("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops"),
    *("kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes"),
)
"""What ``setupKernelTunables`` of the kubelet sets (pkg/kubelet/cm/container_manager_linux.go)."""
_DEVICE_PLUGINS = Path("var/lib/kubelet/device-plugins")
_LOG_LINKS = Path("var/log/containers")
_OWN_FILES = {"kubelet.sock", "kubelet_internal_checkpoint"}
_KERNEL = LinuxKernel()


@dataclass(frozen=True, slots=True)
class NodeState:
    """What there was before a kubelet ran; ``top`` is the root of the file system, another one in tests."""

    sysctls: Mapping[str, str]
    absent: tuple[Path, ...]
    """The directories that were not there, the innermost first."""
    top: Path = Path("/")

    @classmethod
    def read(cls, top: Path = Path("/")) -> NodeState:
        """Remember the state. Raises :class:`KubeletError` for a node that has a kubelet's state already."""
        # Its process comes first: while a kubelet runs, the directory has a socket of its own.
        if pid := _other_kubelet(top):
            raise KubeletError(f"process {pid} is a kubelet, and two of them disturb each other: end it first")
        plugins = top / _DEVICE_PLUGINS
        if plugins.is_dir() and any(plugins.iterdir()):
            raise KubeletError(
                f"{plugins} is not empty: a kubelet of this node has device plugins, and another kubelet removes them"
            )
        sysctls = {}
        for name in SYSCTLS:
            with contextlib.suppress(OSError):  # a kernel without keyrings lacks two of them
                sysctls[name] = (top / "proc/sys" / name).read_text(encoding="ascii")
        made = (plugins, plugins.parent, top / _LOG_LINKS)
        return cls(sysctls, tuple(path for path in made if not path.exists()), top)

    def restore(self) -> list[str]:
        """Put everything back; return in words what could not be put back."""
        wrong = []
        for name, value in self.sysctls.items():
            path = self.top / "proc/sys" / name
            try:
                if path.read_text(encoding="ascii") != value:
                    path.write_text(value, encoding="ascii")
            except OSError as error:
                wrong.append(f"{path} was {value.strip()} and could not be set back: {error.strerror}")
        for name in _OWN_FILES:
            with contextlib.suppress(OSError):
                (self.top / _DEVICE_PLUGINS / name).unlink()
        for path in self.absent:
            try:
                path.rmdir()
            except FileNotFoundError:
                continue
            except OSError as error:
                wrong.append(f"{path} was not there before and could not be removed: {error.strerror}")
        return wrong


def remove_log_links(logs: Path, top: Path = Path("/")) -> None:
    """Remove the links to logs below ``logs``."""
    for link in (top / _LOG_LINKS).glob("*.log"):
        if link.is_symlink() and str(link.readlink()).startswith(f"{logs}/"):
            link.unlink(missing_ok=True)


def unmount_below(directory: Path) -> list[str]:
    """Unmount what is mounted at or below a directory; return in words what could not be unmounted."""
    wrong = []
    for mount in mounts_under(str(directory), read_mountinfo()):
        try:
            _KERNEL.umount(mount.path)
        except OSError as error:
            wrong.append(f"{mount.path} is still mounted: {error.strerror}")
    return wrong


def _other_kubelet(top: Path) -> int:
    """Return the id of a process whose program is called kubelet; 0 when there is none."""
    for process in (entry for entry in (top / "proc").iterdir() if entry.name.isdigit()):
        with contextlib.suppress(OSError):  # it ended meanwhile
            if (process / "comm").read_text(encoding="utf-8", errors="replace").strip() == "kubelet":
                return int(process.name)
    return 0
