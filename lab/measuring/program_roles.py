"""Name what a program does in the start or end of a pod, by its file, its arguments and the program that ran it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_RUNTIMES: Final = ("runc", "crun")
_RUNTIME_VERBS: Final = set("create start run init kill delete exec state update pause resume ps features".split())
_SHIM_VERBS: Final = {"start", "delete"}
_INIT_STAGES: Final = "runc:["
"""How the names of runc's processes begin that become a container's first process."""
_NETFILTER: Final = ("iptables", "ip6tables", "xtables", "nft", "ipset")
IN_CONTAINERS: Final = "processes in containers"
CNI: Final = {
    *("bandwidth", "bridge", "dhcp", "dummy", "firewall", "flannel", "host-device", "host-local", "ipvlan", "loopback"),
    *("macvlan", "portmap", "ptp", "sbr", "static", "tap", "tuning", "vlan", "vrf"),
}
GROUPS: Final = ("daemons", "CNI", "runc", "shims", "other programs", "containers", "kernel", "client", "elsewhere")


@dataclass(frozen=True, slots=True)
class Role:
    """A row of the table, and the group that it belongs to."""

    group: str
    name: str


SHIM: Final = Role("shims", "shim serving")


def role_of(program: str, arguments: Sequence[str], parent: Role) -> Role:
    """Return the role of a program that a program with the role ``parent`` has run.

    ``arguments`` begin with the program's own name; without them, the verb remains unknown.
    """
    # A program that runs itself is named by its arguments: /proc/self/exe, /memfd:…, /dev/fd/6.
    itself = program.startswith(("/proc/", "/memfd:", "/dev/fd/"))
    if itself and not arguments:
        return parent
    name = _base(arguments[0] if itself else program)
    if parent.name == "runc init" and not itself and not name.startswith(_RUNTIMES):
        return Role("containers", IN_CONTAINERS)
    if name.startswith(_RUNTIMES):
        return Role("runc", f"{_runtime(name)} {_verb(arguments, _RUNTIME_VERBS)}")
    if name.startswith("containerd-shim"):
        return Role("shims", f"shim {_verb(arguments, _SHIM_VERBS, none='serving')}")
    if name in CNI:
        return Role("CNI", name)
    if name.startswith(_NETFILTER):
        return Role("CNI", f"{_base(arguments[0]) if arguments else name} of {parent.name}")
    if name in {"conmon", "docker-proxy"}:
        return Role("shims", name)
    return Role("other programs", name)


def of_task(role: Role, comm: str) -> Role:
    """Return the role of a task that may have changed its name since its program began."""
    if comm.startswith(_INIT_STAGES):
        return Role("runc", "runc init")
    if role.group == "kernel":
        return Role("kernel", comm.partition("/")[0])
    return role


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _runtime(name: str) -> str:
    return next(runtime for runtime in _RUNTIMES if name.startswith(runtime))


def _verb(arguments: Sequence[str], verbs: set[str], none: str = "?") -> str:
    if not arguments:
        return "?"
    return next((word for word in arguments[1:] if word in verbs), none)
