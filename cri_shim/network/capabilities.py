"""What a pod's plugins are told about it: CNI_ARGS and the values behind declared capabilities.

Names and shapes follow the CNI conventions document; the set of values and of arguments is the one that containerd's
CRI plugin passes. A plugin only gets the values for capabilities that its configuration declares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cri_shim.errors import InvalidArgumentError
from cri_shim.network.bandwidth import bandwidth

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cri_shim.network.pod import PodNetwork


def cni_args(pod: PodNetwork) -> tuple[tuple[str, str], ...]:
    """Return the key-value pairs of CNI_ARGS."""
    return (
        ("IgnoreUnknown", "1"),
        ("K8S_POD_NAMESPACE", pod.namespace),
        ("K8S_POD_NAME", pod.name),
        ("K8S_POD_INFRA_CONTAINER_ID", pod.sandbox_id),
        ("K8S_POD_UID", pod.uid),
    )


def capability_args(pod: PodNetwork, *, lenient: bool = False) -> dict[str, Any]:
    """Return everything that plugins may ask for.

    Raises `InvalidArgumentError` for wrong bandwidth annotations. A DEL is `lenient` and leaves them out: what was
    refused at the ADD must not keep the pod from being removed.
    """
    values: dict[str, Any] = {"io.kubernetes.cri.pod-annotations": dict(pod.annotations)}
    ports = [
        {
            "hostPort": port.host_port,
            "containerPort": port.container_port,
            "protocol": port.protocol.lower(),
            **({"hostIP": port.host_ip} if port.host_ip else {}),
        }
        for port in pod.port_mappings
        if port.host_port > 0
    ]
    if ports:
        values["portMappings"] = ports
    limits = None
    try:
        limits = bandwidth(pod.annotations)
    except InvalidArgumentError:
        if not lenient:
            raise
    if limits is not None:
        values["bandwidth"] = limits
    if pod.dns is not None:
        values["dns"] = {
            "servers": list(pod.dns.servers),
            "searches": list(pod.dns.searches),
            "options": list(pod.dns.options),
        }
    if pod.cgroup_parent:
        values["cgroupPath"] = pod.cgroup_parent
    return values


def usable_capability_args(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is left of values that were kept for a DEL without those that are not of their capability's type.

    A plugin that is given one fails before it undoes anything, every time. What the pod itself says takes their place.
    """
    return {name: value for name, value in values.items() if _SHAPES.get(name, _any)(value)}


def _any(_: object) -> bool:
    return True


def _text(value: object) -> bool:
    return isinstance(value, str)


def _number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _list_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(fits, value))


def _object_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(fits, value.values()))


def _port(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    numbers = all(_number(value.get(key, 0)) for key in ("hostPort", "containerPort"))
    return numbers and all(_text(value.get(key, "")) for key in ("protocol", "hostIP"))


_SHAPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "aliases": _list_of(_text),
    "bandwidth": _object_of(_number),
    "cgroupPath": _text,
    "deviceID": _text,
    "dns": _object_of(_list_of(_text)),
    "infinibandGUID": _text,
    "io.kubernetes.cri.pod-annotations": _object_of(_text),
    "ips": _list_of(_text),
    "mac": _text,
    "portMappings": _list_of(_port),
}
"""Of which type each capability's value is (CNI conventions); others are passed on as they are."""
