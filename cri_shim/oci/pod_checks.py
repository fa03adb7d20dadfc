"""What RunPodSandbox refuses before anything is made: words that no pod can have, whatever the node.

Each of these would otherwise fail late (a pod is half made and undone again, and the error is the OCI runtime's or a
CNI plugin's) or, worse, be taken for something else: a line break in a DNS server is a second line of resolv.conf.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError
from cri_shim.oci.labels import check_annotations, check_labels
from cri_shim.oci.path_checks import check_path, check_value, leads_out
from cri_shim.oci.sysctls import sysctl_path
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_HOSTNAME: Final = 64
"""Bytes; the kernel's sethostname takes no more."""
LONGEST_NAME: Final = 4096
"""Characters of a name, namespace or uid of a pod, or a container's name: they go into the environment of programs."""
PORTS: Final = range(65536)


def check_pod(config: cri.PodSandboxConfig) -> None:
    """Refuse a pod that cannot be made, with InvalidArgumentError that says which field is at fault."""
    metadata = config.metadata
    for field in ("name", "namespace", "uid"):
        check_name(f"the pod's {field}", getattr(metadata, field))
    check_labels(config.labels)
    check_annotations(config.labels, config.annotations)
    _check_hostname(config)
    for field in ("servers", "searches", "options"):
        _check_words(f"dns_config.{field}", getattr(config.dns_config, field))
    for name, value in config.linux.sysctls.items():
        sysctl_path(name)
        check_value(f"the value of sysctl '{escaped(name)}'", value)
    for mapping in config.port_mappings:
        _check_ports(mapping)
    check_pod_paths(config)


def check_pod_paths(config: cri.PodSandboxConfig) -> None:
    """Refuse paths of a pod that cannot be; CreateContainer brings them a second time."""
    if config.log_directory:
        check_path("log_directory", config.log_directory)
    parent = config.linux.cgroup_parent
    if parent:
        check_path("cgroup_parent", parent, absolute=False)
        if leads_out(parent):
            raise InvalidArgumentError(f"cgroup_parent '{escaped(parent)}' contains '..'; name the cgroup itself")
        # The kernel takes no line break in a cgroup's name, and /proc/PID/cgroup has one cgroup a line.
        _check_words("cgroup_parent", (parent,))


def check_name(what: str, name: str) -> None:
    """Refuse a name that is too long to be handed to programs."""
    if len(name) > LONGEST_NAME:
        raise InvalidArgumentError(f"{what} has {len(name)} characters; at most {LONGEST_NAME} are allowed")


def _check_hostname(config: cri.PodSandboxConfig) -> None:
    name = config.hostname
    if not name:
        return
    if config.linux.security_context.namespace_options.network == cri.NODE:
        raise InvalidArgumentError(
            f"hostname '{escaped(name)}' is given to a pod on the node's network, which has the node's name; "
            "leave it out"
        )
    size = len(name.encode())
    if size > LONGEST_HOSTNAME:
        raise InvalidArgumentError(f"hostname '{escaped(name)}' has {size} bytes; the kernel takes {LONGEST_HOSTNAME}")
    _check_words("hostname", (name,))


def _check_words(what: str, words: Iterable[str]) -> None:
    """Refuse line breaks and other control characters: each word is a part of one line of a file."""
    for word in words:
        if any(char < " " or char == "\x7f" for char in word):
            raise InvalidArgumentError(f"{what} '{escaped(word)}' contains a control character")


def _check_ports(mapping: cri.PortMapping) -> None:
    for field in ("container_port", "host_port"):
        if getattr(mapping, field) not in PORTS:
            raise InvalidArgumentError(
                f"port mapping {field} is {getattr(mapping, field)}; ports are {PORTS.start} to {PORTS.stop - 1}"
            )
    if mapping.host_ip:
        try:
            ipaddress.ip_address(mapping.host_ip)
        except ValueError:
            # portmap passes over an address that it cannot read, and opens the port on all addresses.
            raise InvalidArgumentError(
                f"port mapping host_ip '{escaped(mapping.host_ip)}' is not an IP address"
            ) from None
