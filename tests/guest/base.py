"""The guest's Debian: this machine's release or the one that GUEST_DEBIAN names, from the sources that its apt has.

It is one disk image. mmdebstrap unpacks and configures the release in a folder, which mkfs.ext4 turns into an image;
neither needs a loop device. The image is kept, under a name made of everything that decides what is in it, so only the
first run takes its time.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.guest.commands import run
from tests.guest.errors import GuestError

# A node's programs, what lab calls, and what an emulated machine needs to start.
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "linux-image-cloud-amd64",
    "python3",
    "containerd",
    "runc",
    "crun",
    "containernetworking-plugins",
    "iptables",
    "iproute2",
    "kmod",
    "apparmor",
    "procps",
    "docker-registry",
    "busybox-static",
)
# What a guest has besides whose kernel enforces SELinux, and how its kernel is told.
SELINUX_PACKAGES = ("selinux-policy-default", "policycoreutils", "selinux-utils")
SELINUX_COMMAND_LINE = "security=selinux selinux=1 enforcing=1 sysctl.kernel.printk_ratelimit=0"
SIZE = "3G"
ROOT = Path(__file__).parent / "root"
SELINUX_ROOT = Path(__file__).parent / "root-selinux"
# The tests start these themselves, and a machine that lives for minutes needs no updates or consoles.
DISABLED = ("containerd.service", "docker-registry.service")
MASKED = ("apt-daily.timer", "apt-daily-upgrade.timer", "getty@tty1.service")
# Settings of this machine's apt that decide whether and how the sources are reached.
REACHING = ("Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::Retries")
KEEP_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


@dataclass(frozen=True, slots=True)
class Base:
    """What a machine boots from; the image must not be written to."""

    image: Path
    kernel: Path
    initrd: Path
    command_line: str = ""
    """What this Debian needs on the kernel's command line."""

    @classmethod
    def made(cls, cache: Path, *, selinux: bool = False) -> Base:
        """The one of this recipe and these sources: kept from before, or else made; raises :class:`GuestError`."""
        release = guest_release()
        sources, settings = apt_sources(release), apt_settings()
        name = f"{'selinux' if selinux else 'base'}-{release}"
        directory = cache / f"{name}-{recipe(sources, settings, selinux=selinux)}"
        command_line = SELINUX_COMMAND_LINE if selinux else ""
        base = cls(directory / "root.img", directory / "vmlinuz", directory / "initrd", command_line)
        if not directory.exists():
            for old in cache.glob(f"{name}-*"):
                shutil.rmtree(old)
            build(directory, release, sources, settings, selinux=selinux)
        return base


def recipe(*parts: str, selinux: bool = False) -> str:
    """A name for all that decides what is in the image."""
    roots = (ROOT, SELINUX_ROOT) if selinux else (ROOT,)
    files = [Path(__file__), *sorted(path for root in roots for path in root.rglob("*") if path.is_file())]
    content = [*(part.encode() for part in parts), *(path.read_bytes() for path in files)]
    return hashlib.sha256(b"\0".join(content)).hexdigest()[:16]


def guest_release() -> str:
    """Return the name of the guest's release."""
    return os.environ.get("GUEST_DEBIAN") or platform.freedesktop_os_release().get("VERSION_CODENAME", "")


def apt_sources(wanted: str) -> str:
    """Where this machine's apt gets Debian from, one line each; raises :class:`GuestError` when it does not know.

    A release that is not this machine's is looked for at the same places.
    """
    form = "deb $(REPO_URI) $(RELEASE) $(COMPONENT)"
    lines = run("apt-get", "indextargets", "--format", form, "Created-By: Packages", "Origin: Debian").splitlines()
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    sources = sorted({line for line in lines if release and line.split()[2].startswith(release)})
    if not sources:
        raise GuestError(
            f"apt has no sources of Debian {release!r} here; is this a Debian, and did apt-get update run?"
        )
    return "\n".join(line.replace(f" {release}", f" {wanted}") for line in sources) + "\n"


def apt_settings() -> str:
    """The settings of this machine's apt that decide how sources are reached, such as a proxy."""
    return "".join(line + "\n" for line in run("apt-config", "dump").splitlines() if line.startswith(REACHING))


def build(directory: Path, release: str, sources: str, settings: str, *, selinux: bool = False) -> None:
    """Install the Debian and make the image; the directory appears when it is complete."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="base-building-", dir=directory.parent) as name:
        tree, done = Path(name, "tree"), Path(name, "done")
        done.mkdir()
        Path(name, "apt.conf").write_text(settings)
        run(
            "mmdebstrap",
            "--mode=root",
            "--variant=minbase",
            f"--include={','.join((*PACKAGES, *(SELINUX_PACKAGES if selinux else ())))}",
            f"--aptopt={name}/apt.conf",
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in KEEP_OUT),
            f"--customize-hook=sync-in {ROOT} /",
            '--customize-hook=chroot "$1" systemctl enable guest-tests.service',
            f'--customize-hook=chroot "$1" systemctl mask {" ".join(MASKED)}',
            f'--customize-hook=chroot "$1" systemctl disable {" ".join(DISABLED)}',
            *(selinux_hooks() if selinux else ()),
            release,
            str(tree),
            "-",
            stdin=sources,
        )
        if selinux:
            label_files(tree)
        for pattern, target in (("vmlinuz-*", "vmlinuz"), ("initrd.img-*", "initrd")):
            (boot,) = (tree / "boot").glob(pattern)
            boot.rename(done / target)
        make_disk(done / "root.img", tree, size=SIZE)
        done.rename(directory)


def selinux_hooks() -> tuple[str, ...]:
    """Return what adds a module for containers to the policy: Debian's names their type, and does not define it."""
    return (
        f"--customize-hook=sync-in {SELINUX_ROOT} /",
        '--customize-hook=chroot "$1" semodule -n -s default -i /usr/local/share/selinux/container.cil',
    )


def label_files(tree: Path) -> None:
    """Label every file of a Debian as its policy says; the last step, because mmdebstrap makes files after its hooks.

    Without a label on /etc/machine-id, journald may not read it, and does not start.
    """
    contexts = "/etc/selinux/default/contexts/files/file_contexts"
    excluded = [word for directory in ("/proc", "/sys", "/dev") for word in ("-e", directory)]
    # setfiles sets a label through /proc/self/fd; with -m it does not mind that this kernel has no SELinux.
    with_proc = ("unshare", "--pid", "--fork", f"--mount-proc={tree}/proc")
    run(*with_proc, "chroot", str(tree), "setfiles", "-m", "-F", *excluded, contexts, "/")


def make_disk(image: Path, tree: Path, *, size: str, label: str = "") -> None:
    """Make an ext4 image of a folder; sparse, without a journal, for a machine that is thrown away."""
    run("truncate", "--size", size, str(image))
    run("mkfs.ext4", "-q", "-O", "^has_journal", "-L", label, "-d", str(tree), str(image))
