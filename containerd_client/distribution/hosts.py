"""Who serves a registry name: the default, or what a hosts.toml says.

The layout is containerd's (docs/hosts.md): under each configured directory one per registry name, ``HOST_PORT_`` or
``HOST:PORT`` or ``HOST``, else ``_default``, with a file hosts.toml::

    server = "https://upstream"
    [host."http://127.0.0.1:5000"]
      capabilities = ["pull", "resolve"]

Hosts are asked in the order of the file, the upstream last. Loopback names default to plain HTTP.
"""

from __future__ import annotations

import ipaddress
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from containerd_client.distribution.errors import HostsConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

RESOLVE = "resolve"
PULL = "pull"

_KNOWN = {"capabilities", "skip_verify", "header", "override_path"}
_NOT_YET = {"ca", "client", "dial_timeout"}
_CAPABILITIES = frozenset({RESOLVE, PULL, "push"})


@dataclass(frozen=True, slots=True)
class Host:
    """One server to ask. ``base`` is its URL up to and including ``/v2``; ``mirror`` if it is not the name itself."""

    base: str
    capabilities: frozenset[str] = frozenset({RESOLVE, PULL})
    skip_verify: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    mirror: bool = False


def is_loopback(authority: str) -> bool:
    """Whether ``host[:port]`` is this machine: ``localhost``, 127.0.0.0/8 or [::1]."""
    name = urlsplit(f"//{authority}").hostname or ""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def default_host(domain: str) -> Host:
    """Return the upstream of a registry name when nothing is configured."""
    authority = "registry-1.docker.io" if domain == "docker.io" else domain
    scheme = "http" if is_loopback(authority) else "https"
    return Host(f"{scheme}://{authority}/v2")


def hosts_of(domain: str, config_path: Sequence[Path] = ()) -> tuple[Host, ...]:
    """Return the hosts to ask for a registry name, in order. Reads at most one small file.

    Raises :class:`HostsConfigError`, which names the file and what is wrong in it.
    """
    for root in config_path:
        for directory in _directories(domain):
            file = root / directory / "hosts.toml"
            try:
                text = file.read_text(encoding="utf-8")
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, ValueError) as error:
                raise HostsConfigError(f"{file}: cannot be read: {error}") from error
            return parse_hosts(text, domain, str(file))
    return (default_host(domain),)


def split_config_path(text: str) -> tuple[Path, ...]:
    """Split ``registry.config_path``, a list of directories with colons between."""
    return tuple(Path(part) for part in text.split(":") if part)


def parse_hosts(text: str, domain: str, file: str) -> tuple[Host, ...]:
    """Read the text of a hosts.toml; ``file`` is for error messages. Raises :class:`HostsConfigError`."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise HostsConfigError(f"{file}: {error}") from error
    entries = document.pop("host", {})
    server = document.pop("server", None)
    if not isinstance(entries, dict):
        raise HostsConfigError(f'{file}: host is not a table like [host."https://mirror"]')
    hosts = [_host(url, entry, f'{file}: host."{url}"', mirror=True) for url, entry in entries.items()]
    if server is None:
        _check(document, file)
        upstream = default_host(domain)
    else:
        upstream = _host(server, document, f"{file}: server", mirror=False)
    return (*hosts, upstream)


def _directories(domain: str) -> tuple[str, ...]:
    host, colon, port = domain.rpartition(":")
    if colon and port.isdigit():
        return f"{host}_{port}_", domain, "_default"
    return domain, "_default"


def _check(entry: dict[str, Any], what: str) -> None:
    if unsupported := sorted(_NOT_YET & entry.keys()):
        raise HostsConfigError(f"{what}: {', '.join(unsupported)} cannot be used yet")
    if unknown := sorted(entry.keys() - _KNOWN):
        raise HostsConfigError(f"{what}: {', '.join(unknown)} is not a setting")


def _host(url: Any, entry: Any, what: str, *, mirror: bool) -> Host:
    if not isinstance(entry, dict):
        raise HostsConfigError(f"{what} is not a table")
    _check(entry, what)
    if not isinstance(url, str):
        raise HostsConfigError(f"{what} is not a URL")
    authority = url.partition("/")[0]
    parts = urlsplit(url if "://" in url else f"{'http' if is_loopback(authority) else 'https'}://{url}")
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise HostsConfigError(f"{what}: {url!r} is not an http or https URL")
    path = parts.path.rstrip("/")
    if not entry.get("override_path", False) and not path.endswith("/v2"):
        path += "/v2"
    capabilities = entry.get("capabilities", [RESOLVE, PULL])
    if not isinstance(capabilities, list) or not _CAPABILITIES.issuperset(capabilities):
        raise HostsConfigError(f"{what}: capabilities may hold pull, resolve and push, not {capabilities!r}")
    return Host(
        f"{parts.scheme}://{parts.netloc}{path}",
        frozenset(capabilities),
        bool(entry.get("skip_verify", False)),
        _headers(entry.get("header", {}), what),
        mirror,
    )


def _headers(table: Any, what: str) -> tuple[tuple[str, str], ...]:
    if not isinstance(table, dict):
        raise HostsConfigError(f"{what}: header is not a table")
    found: list[tuple[str, str]] = []
    for name, value in table.items():
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str) for item in values):
            raise HostsConfigError(f"{what}: header {name} is neither a string nor a list of strings")
        found += [(name, item) for item in values]
    return tuple(found)
