"""Decide which capabilities a process has.

Source: CRI ``Capability`` (names without ``CAP_``, ``ALL`` for every one) and ``linux/capability.h`` for the numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.errors import InvalidArgumentError
from cri_shim.oci.defaults import DEFAULT_CAPABILITIES
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cri_shim.api.runtime.v1 import runtime_pb2 as cri

_IN_ORDER = """
CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
"""

_LONGEST = 64

NAMES: tuple[str, ...] = tuple(f"CAP_{name}" for name in _IN_ORDER.split())
"""All named capabilities; the index is the capability's number."""


def from_mask(mask: int) -> tuple[str, ...]:
    """Return the names in a bit mask such as ``CapEff``; bits without a name yet are left out."""
    return tuple(name for number, name in enumerate(NAMES) if mask >> number & 1)


def wanted(
    request: cri.Capability | None, available: tuple[str, ...], default: tuple[str, ...] = DEFAULT_CAPABILITIES
) -> tuple[str, ...]:
    """Return the capabilities that a container requests, in a stable order.

    ``ALL`` is applied before single names, so that "add ALL, drop CHOWN" means all except one and "drop ALL, add KILL"
    means only one; dropping a single name wins over adding it. ``ALL`` stands for ``available``; without a request the
    result is ``default``.
    """
    if request is None:
        return default
    adds, drops = _names(request.add_capabilities), _names(request.drop_capabilities)
    chosen = dict.fromkeys(default)
    if "CAP_ALL" in adds:
        chosen = dict.fromkeys(available)
    if "CAP_ALL" in drops:
        chosen = {}
    chosen.update(dict.fromkeys(name for name in adds if name != "CAP_ALL"))
    return tuple(name for name in chosen if name not in drops)


def ambient(request: cri.Capability, available: tuple[str, ...]) -> tuple[str, ...]:
    """Return the capabilities that a container requests to keep when a user other than root executes a program.

    They are not limited to the result of :func:`wanted`: a capability that is requested here is in every set, as the
    kernel requires (capabilities(7)). Dropping one wins.
    """
    adds, drops = _names(request.add_ambient_capabilities), _names(request.drop_capabilities)
    chosen = dict.fromkeys(available) if "CAP_ALL" in adds else {}
    chosen.update(dict.fromkeys(name for name in adds if name != "CAP_ALL"))
    return tuple(name for name in chosen if name not in drops)


def _names(names: Iterable[str]) -> list[str]:
    """Return names in the form of the spec; CRI omits ``CAP_``, but some clients write it."""
    upper = [name.upper() for name in names]
    long = next((name for name in upper if len(name) > _LONGEST), None)
    if long is not None:
        raise InvalidArgumentError(f"capability '{escaped(long, _LONGEST)}' is longer than any that exists")
    return [name if name.startswith("CAP_") else f"CAP_{name}" for name in upper]
