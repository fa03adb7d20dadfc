"""Build what plugins learn about a pod: CNI_ARGS and the values of the capabilities that they declare.

Names and shapes follow the CNI conventions document; the set of values and of arguments is the one that containerd's
CRI plugin passes. A plugin only gets the values of capabilities that its configuration declares.
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
    """Return the values of all capabilities, by name.

    Raises ``InvalidArgumentError`` for wrong bandwidth annotations. A DEL is ``lenient`` and leaves them out, because
    an annotation that the ADD refused must not keep the pod from being removed.
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
    """Return those cached capability values that have the type of their capability.

    A plugin that gets a value of the wrong type fails every time, before it undoes anything. The caller fills the gaps
    with the values that the pod itself has.
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
"""The type of each capability's value (CNI conventions); values of other capabilities are passed on as they are."""
