"""Check the kernel parameters of a pod, and find their paths below /proc/sys.

For a pod with a process of its own, an OCI runtime sets them and rejects those that would change the node. For a pod
without a process this daemon does both, by the same rule. Names are written with dots, or with slashes if a part
contains dots (``net/ipv4/conf/eth0.1/forwarding``); the first separator in the name decides. (sysctl(8); runc's
validator)
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
    """Return the path of the parameter ``name`` below /proc/sys; raises InvalidArgumentError for a malformed name."""
    separator = min((mark for mark in "./" if mark in name), key=name.index, default=".")
    # The other separator may occur inside a part; in a name with dots, a slash stands for a dot.
    parts = [part.replace("/", ".") if separator == "." else part for part in name.split(separator)]
    if not all(parts) or any(part in (".", "..") for part in parts) or path_problem(name):
        raise InvalidArgumentError(f"sysctl '{escaped(name)}' is not the name of a kernel parameter")
    return "/".join(parts)


def pod_sysctls(values: Mapping[str, str], *, own_ipc: bool) -> tuple[dict[str, str], dict[str, str]]:
    """Return values by path below /proc/sys: those to set at once, and those of interfaces that CNI has yet to make.

    The pod has network and UTS namespaces of its own. Raises InvalidArgumentError for a parameter that belongs to none
    of the pod's namespaces, because setting it would change the node.
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
