"""Check what a plugin prints after an ADD as libcni checks it, and bring it into the form in which libcni passes it on.

A result is decoded by Go's rules into the types of its version of the specification (0.1.0 and 0.2.0; 0.3.0 to 0.4.0;
1.0.0 and 1.1.0). A value that does not fit makes the ADD a failed one, before the result is handed to the next plugin
or stored for the DEL, because a plugin that gets an impossible ``prevResult`` can never undo anything. Unknown fields
are left out. Sources: CNI specification, "Success"; libcni pkg/types.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final

from untrusted import DocumentError, Object, escaped, parse_object

if TYPE_CHECKING:
    from collections.abc import Mapping

_OLDEST: Final = frozenset({"0.1.0", "0.2.0"})
_MIDDLE: Final = frozenset({"0.3.0", "0.3.1", "0.4.0"})
_NEWEST: Final = frozenset({"1.0.0", "1.1.0"})
_MOST_ADDRESSES: Final = 256
_TEXTS: Final = (("mac", "mac"), ("sandbox", "sandbox"), ("socketPath", "socketPath"), ("pciID", "pciID"))


def parse_result(data: bytes, cni_version: str) -> dict[str, Any]:
    """Return the checked result that a plugin printed; one without a version has that of the network, ``cni_version``.

    Raises ``DocumentError`` naming the field that cannot be used.
    """
    return checked_result(parse_object(data), cni_version)


def checked_result(document: Object, cni_version: str) -> dict[str, Any]:
    """Check a result that is parsed already, from libcni's cache for example, like :func:`parse_result`."""
    version = document.text("cniVersion") or cni_version or "0.1.0"
    result: dict[str, Any] = {"cniVersion": version}
    if version in _OLDEST:
        for name in ("ip4", "ip6"):
            family = document.object(name)
            if family is not None:
                result[name] = _old_address(family, name)
    elif version in _MIDDLE or version in _NEWEST:
        interfaces = [_interface(item) for item in document.objects("interfaces")]
        ips = [_address(item, f"ips[{number}]") for number, item in enumerate(document.objects("ips"))]
        if len(ips) > _MOST_ADDRESSES:
            raise DocumentError(f"ips has {len(ips)} addresses, more than the {_MOST_ADDRESSES} that a pod can have")
        routes = _routes(document, "routes")
        result |= {key: value for key, value in (("interfaces", interfaces), ("ips", ips), ("routes", routes)) if value}
    else:
        raise DocumentError(f"cniVersion {escaped(version)!r} is not a version of the specification")
    dns = _dns(document)
    if dns:
        result["dns"] = dns
    return result


def as_version(result: Mapping[str, Any] | None, version: str) -> Mapping[str, Any] | None:
    """Convert a checked result to another version, for a network that uses it today; None if that is not possible."""
    if result is None or result["cniVersion"] == version:
        return result
    if result["cniVersion"] in _OLDEST or version not in _MIDDLE | _NEWEST:
        return None
    ips = []
    for address in result.get("ips", ()):
        fields = {key: value for key, value in address.items() if key != "version"}
        family = "6" if ":" in address_of(address["address"]) else "4"
        ips.append({"version": family, **fields} if version in _MIDDLE else fields)
    return {**result, "cniVersion": version, **({"ips": ips} if ips else {})}


def address_of(text: str) -> str:
    """Return the address of an ``ADDRESS/PREFIX``, as Go writes it.

    Raises ``ValueError`` for anything else.
    """
    address, slash, prefix = text.partition("/")
    ip = ip_of(address)
    longest = ip.max_prefixlen if ":" not in address else 128
    if not slash or not (prefix.isascii() and prefix.isdigit()) or len(prefix) > 3 or int(prefix) > longest:
        raise ValueError(f"{escaped(text)!r} is not an address with a prefix length")
    return str(ip)


def ip_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return an IP address; an IPv4 address mapped into IPv6 becomes IPv4, and a zone is not allowed.

    Raises ``ValueError``.
    """
    if "%" in text:
        raise ValueError(f"{escaped(text)!r} is not an IP address")
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"{escaped(text)!r} is not an IP address") from None
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return mapped or ip


def _interface(item: Object) -> dict[str, Any]:
    interface: dict[str, Any] = {"name": item.text("name")}
    mtu = item.integer("mtu")
    if mtu:
        interface["mtu"] = mtu
    return interface | {name: text for name, key in _TEXTS if (text := item.text(key))}


def _address(item: Object, where: str) -> dict[str, Any]:
    address: dict[str, Any] = {"address": _network(item, "address", where)}
    if "version" in item:
        address["version"] = item.text("version")
    if "interface" in item:
        address["interface"] = item.integer("interface")
    return address | _gateway(item, "gateway", where)


def _old_address(family: Object, where: str) -> dict[str, Any]:
    routes = _routes(family, "routes")
    address: dict[str, Any] = {"ip": _network(family, "ip", where)}
    return address | _gateway(family, "gateway", where) | ({"routes": routes} if routes else {})


def _routes(holder: Object, name: str) -> list[dict[str, Any]]:
    routes = []
    for number, item in enumerate(holder.objects(name)):
        where = f"{name}[{number}]"
        gateway = _gateway(item, "gw", where)
        numbers = {key: item.integer(key) for key in ("mtu", "advmss", "priority", "table", "scope") if key in item}
        if "dst" in item:  # Go accepts a route without one, and no plugin can use it
            routes.append({"dst": _network(item, "dst", where), **gateway, **numbers})
    return routes


def _network(item: Object, name: str, where: str) -> str:
    text = item.text(name)
    try:
        address_of(text)
    except ValueError as error:
        raise DocumentError(f"{where}.{name}: {error}") from None
    return text


def _gateway(item: Object, name: str, where: str) -> dict[str, Any]:
    text = item.text(name)
    if not text:
        return {}
    try:
        return {name: str(ip_of(text))}
    except ValueError as error:
        raise DocumentError(f"{where}.{name}: {error}") from None


def _dns(document: Object) -> dict[str, Any]:
    dns = document.object("dns")
    if dns is None:
        return {}
    fields: dict[str, Any] = {
        "nameservers": list(dns.texts("nameservers")),
        "domain": dns.text("domain"),
        "search": list(dns.texts("search")),
        "options": list(dns.texts("options")),
    }
    return {name: value for name, value in fields.items() if value}
