"""Describe the node as far as a set-up has to know it; nothing is changed."""

from __future__ import annotations

import os
import stat
import subprocess
from functools import partial
from ipaddress import IPv4Network  # noqa: TC003 - msgspec resolves the hint
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from cri_shim.config import Config, ConfigError, load
from cri_shim.config.containerd.files import File, read_files
from cri_shim.doctor.facts.kubelet_flags import UNIT as KUBELET_UNIT
from cri_shim.doctor.facts.kubelet_flags import flags_of_files
from cri_shim.doctor.facts.kubelet_settings import read_kubelet
from cri_shim.doctor.facts.place import Place
from cri_shim.doctor.facts.unit_files import unit_file, unit_texts
from cri_shim.kernel.presence import entries_of, mode_of
from cri_shim.kernel.small_file import read_small_file
from cri_shim.node_root import on_disk
from cri_shim.setup import targets
from cri_shim.setup.cgroup_driver import CgroupDriver, choose_driver
from cri_shim.setup.containerd_unit import UNIT as CONTAINERD_UNIT
from cri_shim.setup.containerd_unit import ContainerdCommand, containerd_command
from cri_shim.setup.sample_network import taken_networks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cri_shim.doctor.facts.kubelet_flags import Flag

SYSTEMCTL_SECONDS: Final = 120
_NETWORK_FILES: Final = (".conf", ".conflist", ".json")
_SYSTEMD: Final = Path("/run/systemd/system")
"""Where systemd is process 1 (sd_booted(3))."""
_UNIFIED: Final = "sys/fs/cgroup/cgroup.controllers"
"""Which is there only where cgroup v2 is the one hierarchy (systemd.io/CGROUP_DELEGATION)."""
_KUBELET: Final = ("/usr/bin/kubelet", "/usr/local/bin/kubelet", "/var/lib/kubelet/config.yaml")


class ExistingFile(Struct, frozen=True):
    """A file that is there."""

    content: bytes
    mode: int
    problem: str = ""
    """Why it must not be replaced: what it is, if it is not a regular file."""
    leads_nowhere: bool = False
    """Whether it is a link to a file that does not exist."""


class Node(Struct, frozen=True):
    """A node as far as a set-up has to know it: what is there before anything is changed."""

    files: dict[str, ExistingFile] = {}
    """The files that a set-up may write, by path."""
    directories: frozenset[str] = frozenset()
    """The directories on the way to them."""
    socket_path: str = "/run/cri-shim/cri-shim.sock"
    containerd_address: str = "/run/containerd/containerd.sock"
    """Where the daemon expects containerd's socket."""
    namespace: str = "k8s.io"
    conf_dir: str = "/etc/cni/net.d"
    own_unit: str = ""
    """The unit of the daemon, wherever it is."""
    program: str = "/usr/bin/cri-shim"
    """The program that the unit has to start."""
    cgroup_driver: CgroupDriver = CgroupDriver()
    snapshotters: frozenset[str] = frozenset()
    """The snapshotters that the daemon is configured to use."""
    containerd: ContainerdCommand = ContainerdCommand()
    containerd_files: tuple[File, ...] = ()
    """containerd's usual configuration and what it imports; empty if there is no file."""
    containerd_problem: str = ""
    """Why these files cannot be read."""
    kubelet: bool = False
    reads_config_dir: bool = False
    """Whether the kubelet is started with a directory of configuration files."""
    other_endpoint: str = ""
    """The file that starts the kubelet with an endpoint other than ours."""
    flags_unknown: str = ""
    """Why it is unknown with which flags the kubelet is started."""
    networks: tuple[str, ...] = ()
    """Names of the files in the directory of networks."""
    taken: tuple[IPv4Network, ...] = ()
    systemd: bool = False
    """Whether systemd runs this machine."""
    enabled: bool = False
    active: bool = False


def read_node(root: Path, *, program: str, proc: Path = Path("/proc")) -> Node:
    """Read what is on the node whose file system begins at ``root``. Blocks.

    Raises OSError for what cannot be read, and ConfigError for a configuration of ours with a mistake.
    """
    here, followed = partial(on_disk, root), partial(on_disk, root, follow=True)
    own = followed(targets.OWN_CONFIG)
    config = load(own) if _is_there(own) else Config()
    conf_dir = config.cni.conf_dir
    paths = [*_fixed_paths(), f"{conf_dir}/{targets.SAMPLE_NETWORK}"]
    command = containerd_command(unit_texts(root, CONTAINERD_UNIT))
    containerd_files, containerd_problem = _containerd_files(root, command.config)
    flags, flags_unknown = flags_of_files(root)
    live = root == Path("/")
    systemd = is_live(root)
    return Node(
        files={path: existing for path in paths if (existing := _existing(here(path), followed(path))) is not None},
        directories=frozenset(
            parent for path in paths for parent in targets.parents(path) if followed(parent).is_dir()
        ),
        socket_path=config.socket_path,
        containerd_address=config.containerd.address,
        namespace=config.containerd.namespace,
        conf_dir=conf_dir,
        own_unit=unit_file(root, targets.UNIT),
        program=Node().program if _is_there(followed(Node().program)) or not live else program,
        cgroup_driver=choose_driver(read_kubelet(Place(root)), systemd=systemd, unified=_is_there(root / _UNIFIED)),
        snapshotters=_snapshotters(config),
        containerd=command,
        containerd_files=containerd_files,
        containerd_problem=containerd_problem,
        kubelet=bool(unit_file(root, KUBELET_UNIT)) or any(_is_there(followed(path)) for path in _KUBELET),
        other_endpoint=_other_endpoint(flags, config.socket_path),
        flags_unknown=flags_unknown,
        reads_config_dir="config-dir" in flags,
        networks=tuple(entry.name for entry in entries_of(followed(conf_dir)) if entry.suffix in _NETWORK_FILES),
        taken=tuple(taken_networks(proc, here("/etc/resolv.conf"))) if live else (),
        systemd=systemd,
        enabled=systemd and _systemctl_says("is-enabled", targets.UNIT),
        active=systemd and _systemctl_says("is-active", targets.UNIT),
    )


def _containerd_files(root: Path, config: str) -> tuple[tuple[File, ...], str]:
    """Return containerd's configuration with what it imports, or why it cannot be read."""
    if not _is_there(on_disk(root, config, follow=True)):
        return (), ""
    try:
        return tuple(read_files(Path(config), root=root)), ""
    except ConfigError as error:
        return (), str(error)


def _other_endpoint(flags: Mapping[str, Flag], socket: str) -> str:
    """Return the file with a flag that names another endpoint than ours; empty if there is none."""
    flag = flags.get("container-runtime-endpoint")
    return flag.path if flag is not None and targets.socket_of(flag.value) != targets.socket_of(socket) else ""


def _snapshotters(config: Config) -> frozenset[str]:
    handlers = config.containerd.runtimes.values()
    return frozenset({config.containerd.snapshotter, *(one.snapshotter for one in handlers if one.snapshotter)})


def is_live(root: Path) -> bool:
    """Return whether the file system at ``root`` is the one of this machine, and systemd runs the machine."""
    return root == Path("/") and _is_there(_SYSTEMD)


def _fixed_paths() -> tuple[str, ...]:
    return (
        targets.OWN_CONFIG,
        targets.CONTAINERD_CONFIG,
        targets.CONTAINERD_DROP_IN,
        targets.OWN_UNIT,
        targets.CRICTL,
        targets.KUBELET_DROP_IN,
        targets.KUBELET_CONFIG,
        targets.JOURNAL,
    )


def _is_there(path: Path) -> bool:
    return mode_of(path) is not None


def _existing(path: Path, followed: Path) -> ExistingFile | None:
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(status.st_mode):
        what = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "not a regular file"
        return ExistingFile(b"", stat.S_IMODE(status.st_mode), what, leads_nowhere=not _is_there(followed))
    return ExistingFile(read_small_file(path, targets.LARGEST), stat.S_IMODE(status.st_mode))


def _systemctl_says(question: str, unit: str) -> bool:
    done = subprocess.run(
        ["systemctl", "--quiet", question, unit], capture_output=True, timeout=SYSTEMCTL_SECONDS, check=False
    )
    return done.returncode == 0
