"""The text of a hosts.toml, as containerd reads it (docs/hosts.md, core/remotes/docker/config).

An example::

    server = "https://upstream"
    [host."http://127.0.0.1:5000"]
      capabilities = ["pull", "resolve"]

Hosts are asked in the order of the file, the server last; what stands at the top is about the server. A URL without
scheme is HTTPS. Keys that are not known are passed over with a warning, because containerd passes over them too.
"""

from __future__ import annotations

import logging
import re
import tomllib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msgspec import Struct

from containerd_client.distribution.errors import HostsConfigError

if TYPE_CHECKING:
    from pathlib import Path

CAPABILITIES = frozenset({"resolve", "pull", "push", "referrers"})
DIAL_TIMEOUT = 30.0
_KNOWN = {"capabilities", "skip_verify", "header", "override_path", "ca", "client", "dial_timeout"}
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"(\d+(?:\.\d*)?)(h|ms|m|s|us|µs|ns)")

log = logging.getLogger(__name__)


class HostEntry(Struct, frozen=True):
    """One host as the file has it; ``base`` is empty for a server that is not named. Files are absolute paths."""

    base: str
    capabilities: frozenset[str]
    ca: tuple[str, ...]
    client: tuple[tuple[str, str], ...]
    skip_verify: bool
    headers: tuple[tuple[str, str], ...]
    dial_timeout: float


def parse_hosts_file(text: str, file: Path) -> tuple[HostEntry, ...]:
    """Read the hosts in order, the server last. Raises :class:`HostsConfigError`, which names the file and the key."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise HostsConfigError(f"{file}: {error}") from error
    entries = document.pop("host", {})
    server = document.pop("server", "")
    if not isinstance(entries, dict):
        raise HostsConfigError(f'{file}: host is not a table like [host."https://mirror"]')
    hosts = [_entry(url, entry, file, f'{file}: host."{url}"') for url, entry in entries.items()]
    return (*hosts, _entry(server, document, file, f"{file}: server"))


def _entry(url: Any, entry: Any, file: Path, what: str) -> HostEntry:
    if not isinstance(entry, dict):
        raise HostsConfigError(f"{what} is not a table")
    if unknown := sorted(entry.keys() - _KNOWN):
        log.warning("%s: %s is not a setting and is not used", what, ", ".join(unknown))
    if not isinstance(url, str):
        raise HostsConfigError(f"{what} is not a URL")
    capabilities = entry.get("capabilities") or sorted(CAPABILITIES)
    if not isinstance(capabilities, list) or not CAPABILITIES.issuperset(str(one).lower() for one in capabilities):
        raise HostsConfigError(f"{what}: capabilities may hold pull, resolve and push, not {capabilities!r}")
    return HostEntry(
        base=_base(url, what, override_path=bool(entry.get("override_path", False))) if url else "",
        capabilities=frozenset(one.lower() for one in capabilities),
        ca=tuple(_path(one, file, f"{what}: ca") for one in _listed(entry.get("ca"))),
        client=tuple(_client(one, file, f"{what}: client") for one in _listed(entry.get("client"))),
        skip_verify=bool(entry.get("skip_verify", False)),
        headers=_headers(entry.get("header", {}), what),
        dial_timeout=_seconds(entry.get("dial_timeout", ""), what),
    )


def _base(url: str, what: str, *, override_path: bool) -> str:
    try:
        parts = urlsplit(url if url.startswith("http") and "://" in url else f"https://{url}")
        # A login in the URL is none of ours, and would show wherever the host is named.
        authority = parts.netloc.rpartition("@")[2]
        valid = bool(parts.hostname) and parts.scheme in {"http", "https"} and "://" not in url.partition("://")[2]
        _ = parts.port
    except ValueError as error:
        raise HostsConfigError(f"{what}: not an http or https URL: {error}") from error
    if not valid or ("://" in url and not url.startswith(("http://", "https://"))):
        raise HostsConfigError(f"{what}: {url!r} is not an http or https URL")
    path = re.sub("//+", "/", parts.path).rstrip("/")
    if not override_path and not path.endswith("/v2"):
        path += "/v2"
    return f"{parts.scheme}://{authority}{path}"


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _path(value: Any, file: Path, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise HostsConfigError(f"{what} is neither a path nor a list of paths")
    return str(file.parent / value)


def _client(value: Any, file: Path, what: str) -> tuple[str, str]:
    """A file with certificate and key, or a list of the two files."""
    if isinstance(value, list):
        if not 1 <= len(value) <= 2:
            raise HostsConfigError(f"{what}: a pair is [certificate, key], not {len(value)} files")
        certificate = _path(value[0], file, what)
        return certificate, _path(value[1], file, what) if len(value) == 2 and value[1] else ""
    return _path(value, file, what), ""


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


def _seconds(text: Any, what: str) -> float:
    """A duration as Go writes it."""
    if text == "":
        return DIAL_TIMEOUT
    if not isinstance(text, str) or not re.fullmatch(f"(?:{_DURATION.pattern})+", text):
        raise HostsConfigError(f'{what}: dial_timeout is a duration like "10s", not {text!r}')
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text))
