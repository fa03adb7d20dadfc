"""Choose the image of an index that fits this machine.

The order of preference is containerd's (``platforms.Default()``): the machine's architecture and variant, then the
older variants that the processor also runs, then the related 32-bit architecture.
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
    """Return the normal form of a platform: ``arm64/v8`` becomes ``arm64``, ``arm`` becomes ``arm/v7``.

    As in containerd, an empty operating system means Linux, and an empty architecture fits no machine.
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


def runnable_platforms(host: Platform) -> tuple[Platform, ...]:
    """Return all platforms that ``host`` can run, best first."""
    platforms = [normalised(host)]
    architecture = platforms[0].architecture
    if architecture == "amd64":
        newest = int(platforms[0].variant[1:]) if platforms[0].variant[1:].isdigit() else 1
        platforms += [Platform(host.os, "amd64", f"v{level}") for level in range(newest - 1, 1, -1)]
        platforms += [Platform(host.os, "amd64"), Platform(host.os, "386")]
    elif architecture == "arm64":
        platforms += [Platform(host.os, "arm64")]
        platforms += [Platform(host.os, "arm", f"v{level}") for level in (8, 7, 6, 5)]
    elif architecture == "arm":
        newest = int(platforms[0].variant[1:]) if platforms[0].variant[1:].isdigit() else 7
        platforms += [Platform(host.os, "arm", f"v{level}") for level in range(newest - 1, 4, -1)]
    return tuple(dict.fromkeys(platforms))


def rank(platform: Platform, host: Platform) -> int | None:
    """Return the rank of ``platform`` among those that ``host`` runs (0 is best), or None if it does not run there."""
    try:
        return runnable_platforms(host).index(normalised(platform))
    except ValueError:
        return None
