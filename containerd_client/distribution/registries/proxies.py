"""Choose the proxy of a request from the environment, as Go's ``net/http`` and ``httpproxy`` do.

Administrators write HTTP_PROXY, HTTPS_PROXY and NO_PROXY once for kubelet, containerd and this daemon, so the same text
must have the same meaning here. docs/registries.md lists the rules. Two things differ on purpose: a value that is not
the address of a proxy is an error, while Go silently connects directly, and an unsupported kind of proxy is an error
too.
"""

from __future__ import annotations

import ipaddress
import os
from typing import TYPE_CHECKING

from msgspec import Struct

from containerd_client.distribution.values.errors import ProxyConfigError
from containerd_client.distribution.values.urls import Url, UrlError, host_name, parse_url

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMES = frozenset({"http", "https", "socks5", "socks5h"})
_VARIABLES = {"http": ("HTTP_PROXY", "http_proxy"), "https": ("HTTPS_PROXY", "https_proxy")}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Exceptions(Struct, frozen=True):
    """The parsed NO_PROXY: networks, and pairs of (address or name, port), where an empty port means any."""

    everything: bool = False
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    addresses: tuple[tuple[Address, str], ...] = ()
    domains: tuple[tuple[str, str], ...] = ()
    """A name with a leading dot covers only the names below it."""

    def bypass(self, host: str, port: int) -> bool:
        """Return whether requests to ``host``, a lower-case name or an address, bypass the proxy."""
        if host == "localhost":
            return True
        address = _address(host)
        if address is not None and address.is_loopback:
            return True
        if self.everything:
            return True
        if address is not None and (
            any(address.version == one.version and address in one for one in self.networks)
            or any(address == one and wanted in {"", str(port)} for one, wanted in self.addresses)
        ):
            return True
        # Go compares the end of an address, too, with an entry that is none.
        return any(_covers(name, host) and wanted in {"", str(port)} for name, wanted in self.domains)


def proxy_for(url: Url, environment: Mapping[str, str] = os.environ) -> Url | None:
    """Return the proxy for a request, or None for a direct connection; raises :class:`ProxyConfigError`."""
    variable, text = _first(environment, _VARIABLES[url.scheme])
    if not text:
        return None
    if url.scheme == "http" and environment.get("REQUEST_METHOD"):
        # In a CGI program the variable may be a header of the request, HTTP_PROXY; Go refuses it in the same way.
        raise ProxyConfigError(f"the environment variable {variable} is not used where REQUEST_METHOD is set (CGI)")
    if parse_exceptions(_first(environment, ("NO_PROXY", "no_proxy"))[1]).bypass(url.host, url.port):
        return None
    return parse_proxy(text, variable)


def parse_proxy(text: str, variable: str) -> Url:
    """Parse a proxy's address, by default http. The error text does not show it, as it may contain a password."""
    try:
        return parse_url(text if "://" in text else f"http://{text}", SCHEMES)
    except UrlError:
        raise ProxyConfigError(
            f"the environment variable {variable} is not the address of a proxy, like http://proxy.example:3128; "
            f"these kinds of proxies are supported: {', '.join(sorted(SCHEMES))}"
        ) from None


def parse_exceptions(text: str) -> Exceptions:
    """Parse NO_PROXY; malformed entries are ignored, as in Go."""
    networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
    addresses: list[tuple[Address, str]] = []
    domains: list[tuple[str, str]] = []
    for part in text.split(","):
        entry = part.strip().lower()
        if entry == "*":
            return Exceptions(everything=True)
        network = _network(entry)
        if network is not None:
            networks.append(network)
            continue
        name, port = _split_port(entry)
        if not name:
            continue
        address = _address(name)
        if address is not None:
            addresses.append((address, port))
        else:
            domains.append((_domain(name), port))
    return Exceptions(networks=tuple(networks), addresses=tuple(addresses), domains=tuple(domains))


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> tuple[str, str]:
    return next(((name, environment[name]) for name in names if environment.get(name)), (names[0], ""))


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # Go does not distinguish an IPv4 address from its IPv4-mapped IPv6 form.
    return getattr(address, "ipv4_mapped", None) or address


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    _, slash, length = text.partition("/")
    if not slash or not (length.isascii() and length.isdigit()):
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def _split_port(entry: str) -> tuple[str, str]:
    """Split ``name:port``, ``address:port`` or ``[address]:port``; a bare IPv6 address has no port."""
    if entry.startswith("["):
        address, bracket, port = entry[1:].partition("]")
        return (address, port[1:]) if bracket and port.startswith(":") else (entry, "")
    name, colon, port = entry.rpartition(":")
    return (name, port) if colon and ":" not in name else (entry, "")


def _domain(name: str) -> str:
    name = name[1:] if name.startswith("*.") else name
    if name.isascii():
        return name
    try:
        dot = "." if name.startswith(".") else ""
        return dot + host_name(name.removeprefix("."))
    except UrlError:
        return name


def _covers(domain: str, host: str) -> bool:
    if domain.startswith("."):
        return host.endswith(domain)
    return host == domain or host.endswith(f".{domain}")
