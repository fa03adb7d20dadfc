"""Write the default AppArmor profile as text for ``apparmor_parser``.

It forbids what a container never needs and what would affect the host: mounting, writing to kernel settings below /proc
and /sys, reading kernel memory. Files that a container may write anyway (its cgroups, ``kernel.shm*``) stay writable.
The policy is that of containerd's plugin. Source: containerd ``contrib/apparmor/template.go``; apparmor.d(5).
"""

from __future__ import annotations

from msgspec import Struct

_SIGNAL_SENDERS = ("unconfined", "runc", "crun")

_DENIED = (
    # All of /proc except the directories of processes and sys, which differ in their first letters.
    ("w", ("@{PROC}/*", "@{PROC}/[^1-9s]*/**", "@{PROC}/s[^y]*/**", "@{PROC}/sy[^s]*/**", "@{PROC}/sys?*/**")),
    # All of /proc/sys except kernel/shm*.
    ("w", ("@{PROC}/sys/[^k]*/**", "@{PROC}/sys/k[^e]*/**")),
    ("w", ("@{PROC}/sys/kernel/[^s]**", "@{PROC}/sys/kernel/s[^h]**", "@{PROC}/sys/kernel/sh[^m]**")),
    ("rwklx", ("@{PROC}/sysrq-trigger", "@{PROC}/kcore")),
    # All of /sys except fs/cgroup.
    ("wklx", ("/sys/[^f]*/**", "/sys/f[^s]*/**", "/sys/fs/[^c]*/**", "/sys/fs/c[^g]*/**", "/sys/fs/cg[^r]*/**")),
    ("rwklx", ("/sys/firmware/**", "/sys/devices/virtual/powercap/**", "/sys/kernel/security/**")),
)


class AppArmorFiles(Struct, frozen=True):
    """The files of the distribution's policy to include, and the profile of this daemon."""

    abi: bool = False
    tunables: bool = False
    base: bool = False
    daemon_profile: str = "unconfined"


def default_profile(name: str, files: AppArmorFiles) -> str:
    """Return the text of the profile named ``name``."""
    senders = dict.fromkeys((*_SIGNAL_SENDERS, files.daemon_profile))
    lines = [
        *(["abi <abi/3.0>,"] if files.abi else []),
        "#include <tunables/global>" if files.tunables else "@{PROC}=/proc/",
        f"profile {name} flags=(attach_disconnected,mediate_deleted) {{",
        *(["  #include <abstractions/base>"] if files.base else []),
        *(f"  {allowed}," for allowed in ("network", "capability", "file", "umount")),
        *(f"  signal (receive) peer={peer}," for peer in senders),
        f"  signal (send,receive) peer={name},",
        f"  ptrace (trace,tracedby,read,readby) peer={name},",
        "  deny mount,",
        *(f"  deny {path} {access}," for access, paths in _DENIED for path in paths),
        "}",
    ]
    return "\n".join(lines) + "\n"
