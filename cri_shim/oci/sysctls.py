"""Kernel parameters of a pod: which ones belong to its namespaces, and where they are below /proc/sys.

An OCI runtime sets them for a pod that has a process of its own, and refuses what would change the node. For a pod
without one we do, by the same rule. Names are written with dots, or with slashes where a part has dots of its own
(``net/ipv4/conf/eth0.1/forwarding``): the first of the two that occurs says which. (sysctl(8); runc's validator)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cri_shim.errors import InvalidArgumentError
from cri_shim.oci.path_checks import path_problem
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Mapping

_IPC = frozenset(
    f"kernel/{name}" for name in ("msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced")
)
_OF_INTERFACE = re.compile(r"net/(?:ipv4|ipv6)/(?:conf|neigh)/(?!all/|default/|lo/)")


def sysctl_path(name: str) -> str:
    """Where the parameter ``name`` is below /proc/sys; raises InvalidArgumentError for what is no name."""
    separator = min((mark for mark in "./" if mark in name), key=name.index, default=".")
    # The other mark is one that parts have of their own; after a dot a slash stands for a dot.
    parts = [part.replace("/", ".") if separator == "." else part for part in name.split(separator)]
    if not all(parts) or any(part in (".", "..") for part in parts) or path_problem(name):
        raise InvalidArgumentError(f"sysctl '{escaped(name)}' is not the name of a kernel parameter")
    return "/".join(parts)


def pod_sysctls(values: Mapping[str, str], *, own_ipc: bool) -> tuple[dict[str, str], dict[str, str]]:
    """Values by path below /proc/sys: those to be set at once, and those of interfaces, which CNI plugins make first.

    For a pod with network and UTS namespaces of its own. Raises InvalidArgumentError for a parameter that no
    namespace of the pod has: setting it would change the node.
    """
    at_once: dict[str, str] = {}
    of_interfaces: dict[str, str] = {}
    for name, value in values.items():
        path = sysctl_path(name)
        in_ipc = path in _IPC or path.startswith("fs/mqueue/")
        if not (path.startswith("net/") or path == "kernel/domainname" or (in_ipc and own_ipc)):
            raise InvalidArgumentError(f"sysctl {name!r} is not in a namespace of the pod; it cannot be set for a pod")
        (of_interfaces if _OF_INTERFACE.match(path) else at_once)[path] = value
    return at_once, of_interfaces
