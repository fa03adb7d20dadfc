"""Check a RunPodSandbox request for values that no pod can have on any node, before anything is made.

Each of them would otherwise fail late (the pod is half made and undone again, and the error is that of the OCI runtime
or a CNI plugin) or, worse, have another meaning: a line break in a DNS server is a second line of resolv.conf.
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
"""Bytes; the limit of the kernel's sethostname."""
LONGEST_NAME: Final = 4096
"""Characters of a pod's name, namespace or uid, or of a container's name; programs get them in their environment."""
PORTS: Final = range(65536)


def check_pod(config: cri.PodSandboxConfig) -> None:
    """Check the fields of a request; raises InvalidArgumentError that names the invalid field."""
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
    """Check the paths of a pod, which CreateContainer sends a second time; raises InvalidArgumentError."""
    if config.log_directory:
        check_path("log_directory", config.log_directory)
    parent = config.linux.cgroup_parent
    if parent:
        check_path("cgroup_parent", parent, absolute=False)
        if leads_out(parent):
            raise InvalidArgumentError(f"cgroup_parent '{escaped(parent)}' contains '..'; name the cgroup itself")
        # The kernel rejects a line break in a cgroup's name, and /proc/PID/cgroup has one cgroup per line.
        _check_words("cgroup_parent", (parent,))


def check_name(what: str, name: str) -> None:
    """Check that a name is short enough to be passed to programs."""
    if len(name) > LONGEST_NAME:
        raise InvalidArgumentError(f"{what} has {len(name)} characters; at most {LONGEST_NAME} are allowed")


def _check_hostname(config: cri.PodSandboxConfig) -> None:
    name = config.hostname
    if not name:
        return
    if config.linux.security_context.namespace_options.network == cri.NODE:
        raise InvalidArgumentError(
            f"hostname '{escaped(name)}' is set for a pod on the node's network, which has the node's name; "
            "leave it out"
        )
    size = len(name.encode())
    if size > LONGEST_HOSTNAME:
        raise InvalidArgumentError(f"hostname '{escaped(name)}' has {size} bytes; the kernel allows {LONGEST_HOSTNAME}")
    _check_words("hostname", (name,))


def _check_words(what: str, words: Iterable[str]) -> None:
    """Reject line breaks and other control characters, because each word is part of one line of a file."""
    for word in words:
        if any(char < " " or char == "\x7f" for char in word):
            raise InvalidArgumentError(f"{what} '{escaped(word)}' contains a control character")


def _check_ports(mapping: cri.PortMapping) -> None:
    for field in ("container_port", "host_port"):
        if getattr(mapping, field) not in PORTS:
            raise InvalidArgumentError(
                f"port mapping {field} is {getattr(mapping, field)}; ports must be {PORTS.start} to {PORTS.stop - 1}"
            )
    if mapping.host_ip:
        try:
            ipaddress.ip_address(mapping.host_ip)
        except ValueError:
            # portmap ignores an address that it cannot read, and then opens the port on all addresses.
            raise InvalidArgumentError(
                f"port mapping host_ip '{escaped(mapping.host_ip)}' is not an IP address"
            ) from None
