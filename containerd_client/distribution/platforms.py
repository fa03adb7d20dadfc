"""Which of an index's images fits this machine.

The order of preference is containerd's (``platforms.Default()``): the own architecture with the own variant, then the
older variants that the processor also runs, then its 32-bit kin.
"""

from __future__ import annotations

import os

from msgspec import Struct

_ARCHITECTURES = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "aarch64": "arm64",
    "armhf": "arm",
    "armel": "arm",
    "i386": "386",
    "i486": "386",
    "i586": "386",
    "i686": "386",
    "loongarch64": "loong64",
}


class Platform(Struct, frozen=True):
    """Operating system, architecture and variant, in Go's spelling."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        """Return ``os/architecture[/variant]``."""
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


def normalised(platform: Platform) -> Platform:
    """Return the spelling in which two equal platforms are equal: ``arm64/v8`` is ``arm64``, ``arm`` is ``arm/v7``.

    As in containerd an empty operating system means Linux, and an empty architecture fits no machine.
    """
    architecture = platform.architecture.lower()
    variant = platform.variant.lower()
    if architecture == "armel" and not variant:
        variant = "v6"
    architecture = _ARCHITECTURES.get(architecture, architecture)
    if variant.isdigit():
        variant = f"v{variant}"
    if architecture == "arm" and not variant:
        variant = "v7"
    if (architecture, variant) in {("arm64", "v8"), ("amd64", "v1"), ("386", "v1")}:
        variant = ""
    return Platform(platform.os.lower() or "linux", architecture, variant)


def host_platform() -> Platform:
    """Return the platform of this machine."""
    machine = os.uname().machine
    if machine.startswith("armv"):
        return normalised(Platform("linux", "arm", machine[3:5]))
    return normalised(Platform("linux", machine))


def acceptable(host: Platform) -> tuple[Platform, ...]:
    """Return everything that ``host`` can run, best first."""
    found = [normalised(host)]
    architecture = found[0].architecture
    if architecture == "amd64":
        newest = int(found[0].variant[1:]) if found[0].variant[1:].isdigit() else 1
        found += [Platform(host.os, "amd64", f"v{level}") for level in range(newest - 1, 1, -1)]
        found += [Platform(host.os, "amd64"), Platform(host.os, "386")]
    elif architecture == "arm64":
        found += [Platform(host.os, "arm64")]
        found += [Platform(host.os, "arm", f"v{level}") for level in (8, 7, 6, 5)]
    elif architecture == "arm":
        newest = int(found[0].variant[1:]) if found[0].variant[1:].isdigit() else 7
        found += [Platform(host.os, "arm", f"v{level}") for level in range(newest - 1, 4, -1)]
    return tuple(dict.fromkeys(found))


def rank(platform: Platform, host: Platform) -> int | None:
    """Return the place of ``platform`` among what ``host`` runs (0 is best); None when it does not run here."""
    try:
        return acceptable(host).index(normalised(platform))
    except ValueError:
        return None
