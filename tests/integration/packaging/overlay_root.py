"""A root of its own for a package manager: this machine's files below, and all that is written in memory above them.

What is above is all that has been changed, so a test sees what a package leaves.
"""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOUNT = """
set -e
mount -t tmpfs -o mode=0755 tmpfs "$1"
mkdir "$1/above" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/above,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount --bind /dev "$1/root/dev"
mount -t tmpfs tmpfs "$1/root/run"
mount -t tmpfs tmpfs "$1/root/tmp"
# What the machine may have of a daemon of its own is hidden.
rm -rf "$1/root/var/lib/cri-shim" "$1/root/var/cache/cri-shim" "$1/root/etc/cri-shim"
echo mounted
exec sleep infinity
"""
OF_DPKG = ("/var/lib/dpkg/", "/var/log/", "/var/cache/ldconfig/", "/var/cache/man/", "/var/lib/systemd/")
CALLED_BY_DPKG = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class OverlayRoot:
    """The root, as a process sees it that holds its mounts."""

    holder: int
    place: Path

    def run(self, *command: str, code: int = 0) -> str:
        """Run a command in the root, which has to end with ``code``; return all that it printed."""
        enter = ["nsenter", f"--mount=/proc/{self.holder}/ns/mnt", "chroot", str(self.place / "root")]
        clean = ["env", "--ignore-environment", f"PATH={CALLED_BY_DPKG}", "LC_ALL=C.UTF-8", "HOME=/root"]
        done = subprocess.run(
            [*enter, *clean, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == code, f"{command} ended with {done.returncode}: {done.stdout}"
        return done.stdout

    def changed(self) -> set[str]:
        """Return the paths that are new or were written, but for directories and the notes of dpkg.

        A path of the machine that was removed is a character device in the overlay.
        """
        find = ["find", str(self.place / "above"), "-not", "-type", "d", "-not", "-type", "c", "-printf", "/%P\\n"]
        done = subprocess.run(
            ["nsenter", f"--mount=/proc/{self.holder}/ns/mnt", *find], capture_output=True, text=True, check=True
        )
        return {path for path in done.stdout.splitlines() if not path.startswith(OF_DPKG)}

    def write(self, path: str, text: str) -> None:
        """Write a file in the root, with the directories that it needs."""
        self.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && printf %s "$2" > "$1"', "sh", path, text)


@contextmanager
def overlay_root(directory: Path) -> Iterator[OverlayRoot]:
    """Mount it below an empty directory, in a mount namespace that ends with this context."""
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", MOUNT, "sh", str(directory)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout
        assert holder.stdout.readline() == "mounted\n"
        yield OverlayRoot(holder.pid, directory)
    finally:
        holder.kill()
        holder.wait()
