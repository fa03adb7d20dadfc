"""A node of its own: a tree of files with mounts, processes, a host name and a network that nothing else has.

It has no systemd. Its network has nothing but a loopback device; the one of the machine is at ``OUTSIDE``, for commands
that fetch packages.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from lab.containerd import children

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTSIDE: Final = "/run/outside"
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# The root is pivoted to, because runc enters a container by way of the root of its mount namespace. Bash reaps what
# is left to it. Snapshots of overlayfs cannot be on overlayfs. $1 is the root, $2 a directory of our own, $3 our
# process, $4 the kind of root.
ENTER: Final = """
set -e
if [ "$4" = overlay ]; then
    mount -t tmpfs -o mode=0755 tmpfs "$2"
    mkdir "$2/above" "$2/work" "$2/root"
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/above,workdir=$2/work" "$2/root"
    set -- "$2/root" "$2" "$3" "$4"
    rm -rf "$1/var/lib/cri-shim" "$1/var/cache/cri-shim" "$1/etc/cri-shim" "$1/etc/cni/net.d" "$1/etc/crictl.yaml"
    rm -rf "$1/etc/containerd/config.toml"
    mkdir -p "$1/var/lib/containerd"
    mount -t tmpfs tmpfs "$1/var/lib/containerd"
else
    mount --bind "$1" "$1"
fi
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount -t sysfs sysfs "$1/sys"
mount --rbind /sys/fs/cgroup "$1/sys/fs/cgroup"
mount -t tmpfs -o mode=0755 tmpfs "$1/run"
mount -t tmpfs tmpfs "$1/tmp"
touch "$1/run/outside"
mount --bind "/proc/$3/ns/net" "$1/run/outside"
hostname fresh
ip link set lo up
cd "$1"
pivot_root . .
umount --lazy .
cd /
mount --make-rshared /
echo entered
while :; do sleep 3600 & wait; done
"""


@dataclass(frozen=True, slots=True)
class FreshRoot:
    """The node, by its first process, and where its files are for us."""

    init: int

    @property
    def files(self) -> Path:
        """Its root directory."""
        return Path(f"/proc/{self.init}/root")

    @property
    def enter(self) -> list[str]:
        """The beginning of a command line that is run there, with an environment as after a login."""
        inside = ["nsenter", f"--target={self.init}", "--mount", "--pid", "--uts", "--net"]
        clean = ["env", "--ignore-environment", f"PATH={PATH}", "LC_ALL=C.UTF-8", "HOME=/root"]
        return [*inside, *clean, "DEBIAN_FRONTEND=noninteractive", "PIP_CERT=/etc/ssl/certs/ca-certificates.crt"]

    @property
    def enter_network(self) -> list[str]:
        """The beginning of the command line of a program of this machine that is to serve there."""
        return ["nsenter", f"--net=/proc/{self.init}/ns/net"]


@contextmanager
def fresh_root(tree: Path, *, overlay: bool = False) -> Iterator[FreshRoot]:
    """Start a node with these files; all its processes end with the context.

    With ``overlay``, the files stay as they are, and what is written is kept in memory.
    """
    namespaces = ("--mount", "--pid", "--uts", "--net", "--ipc", "--fork", "--kill-child", "--propagation", "private")
    with TemporaryDirectory(prefix="fresh-") as own:
        arguments = (str(tree), own, str(os.getpid()), "overlay" if overlay else "plain")
        command = ["unshare", *namespaces, "bash", "-c", ENTER, "bash", *arguments]
        holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert holder.stdout
            assert holder.stdout.readline() == "entered\n"
            (init,) = children(holder.pid)
            yield FreshRoot(init)
        finally:
            holder.kill()
            holder.wait()
