"""Merge the results of plugins, of any version, into the pod's addresses and the form that is stored.

The stored form is go-cni's ``Result`` as Go's JSON encoder writes it, because containerd's CRI plugin stores that under
``CNIResult`` in a sandbox's metadata: ``Interfaces`` by name, ``DNS`` with one entry per network, all ``Routes``. The
loopback network is part of it; we bring ``lo`` up ourselves and add the entry that the loopback plugin would have
caused. Sources: CNI specification 0.1.0 to 1.1.0, "Success" results; go-cni result.go.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct

from cri_shim.network.errors import NetworkError
from cri_shim.network.plugin_result import address_of, ip_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFAULT_INTERFACE: Final = "eth0"
_LOOPBACK_4: Final = {"IP": "127.0.0.1", "Gateway": ""}
_LOOPBACK_6: Final = {"IP": "::1", "Gateway": ""}
_DNS_KEYS: Final = ("nameservers", "domain", "search", "options")

IpPreference = Literal["", "ipv4", "ipv6", "cni"]


class CniResult(Struct, frozen=True):
    """A pod's addresses on eth0, the preferred one first, and the merged result in its stored form."""

    ips: tuple[str, ...]
    stored: dict[str, Any]


def combine(results: Sequence[Mapping[str, Any]], netns: str, ip_pref: str) -> CniResult:
    """Merge the results of a pod's networks, in order.

    Raises ``NetworkError`` for a malformed result, or if there is no IP address.
    """
    interfaces: dict[str, dict[str, Any]] = {
        DEFAULT_INTERFACE: _interface("", ""),
        "lo": _interface("00:00:00:00:00:00", netns, [_LOOPBACK_4, _LOOPBACK_6]),
    }
    dns: list[dict[str, Any]] = [{}]
    routes: list[Any] = []
    for raw in results:
        try:
            result = _modern(raw)
            _add_interfaces(interfaces, result)
            dns.append({key: value for key in _DNS_KEYS if (value := (result.get("dns") or {}).get(key))})
            routes.extend(result.get("routes") or [])
        except (TypeError, ValueError, AttributeError, KeyError, IndexError) as error:
            reason = str(error) if isinstance(error, ValueError) else repr(error)
            raise NetworkError(f"cannot understand the result of a network: {reason}") from error
    addresses = [config["IP"] for config in interfaces[DEFAULT_INTERFACE]["IPConfigs"] or ()]
    if not addresses:
        raise NetworkError(f"the network plugins gave no IP address for {DEFAULT_INTERFACE}")
    stored = {"Interfaces": interfaces, "DNS": dns, "Routes": routes or None}
    return CniResult(order_ips(addresses, ip_pref), stored)


def order_ips(addresses: Sequence[str], ip_pref: str) -> tuple[str, ...]:
    """Move the first address of the preferred family to the front; ``cni`` keeps the plugins' order."""
    if ip_pref == "cni":
        return tuple(addresses)
    version = 6 if ip_pref == "ipv6" else 4
    for index, address in enumerate(addresses):
        if ipaddress.ip_address(address).version == version:
            return (address, *addresses[:index], *addresses[index + 1 :])
    return tuple(addresses)


def _add_interfaces(interfaces: dict[str, dict[str, Any]], result: Mapping[str, Any]) -> None:
    existing = result.get("interfaces") or []
    for item in existing:
        interface = _interface(item.get("mac", ""), item.get("sandbox", ""))
        for key, value in (("PciID", item.get("pciID")), ("SocketPath", item.get("socketPath"))):
            if value:
                interface[key] = value
        interfaces[item["name"]] = interface
    for item in result.get("ips") or []:
        index = item.get("interface")
        if index is not None and not 0 <= index < len(existing):
            raise ValueError(f"interface number {index} of an address does not exist")
        name = DEFAULT_INTERFACE if index is None else existing[index]["name"]
        config = _ip_config(item["address"], item.get("gateway") or "")
        interfaces[name]["IPConfigs"] = [*(interfaces[name]["IPConfigs"] or ()), config]


def _interface(mac: str, sandbox: str, ips: list[dict[str, str]] | None = None) -> dict[str, Any]:
    return {"IPConfigs": ips, "Mac": mac, "Sandbox": sandbox}


def _ip_config(address: str, gateway: str) -> dict[str, str]:
    return {"IP": address_of(address), "Gateway": str(ip_of(gateway)) if gateway else ""}


def _modern(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """Convert a result of 0.1.0 or 0.2.0 (``ip4``, ``ip6``) to the form of the later versions."""
    if "ip4" not in raw and "ip6" not in raw:
        return raw
    families = [family for key in ("ip4", "ip6") if (family := raw.get(key))]
    return {
        "ips": [{"address": family["ip"], "gateway": family.get("gateway")} for family in families],
        "routes": [route for family in families for route in family.get("routes") or []],
        "dns": raw.get("dns"),
    }
