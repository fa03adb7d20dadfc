"""Parse the text of a hosts.toml as containerd does (docs/hosts.md, core/remotes/docker/config).

An example::

    server = "https://upstream"
    [host."http://127.0.0.1:5000"]
      capabilities = ["pull", "resolve"]

Hosts are asked in the order of the file, the server last; top-level settings belong to the server. A URL without a
scheme is HTTPS. Settings may be written in any case, as Go's TOML library reads them; of several spellings the last one
counts. Unknown keys are ignored with a warning, because containerd ignores them too.
"""

from __future__ import annotations

import logging
import re
import tomllib
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from containerd_client.distribution.values.errors import HostsConfigError
from containerd_client.distribution.values.urls import UrlError, parse_url, shown
from untrusted import encodable, escaped, shorten

if TYPE_CHECKING:
    from pathlib import Path

CAPABILITIES = frozenset({"resolve", "pull", "push", "referrers"})
DIAL_TIMEOUT = 30.0
LONGEST_DIAL_TIMEOUT = 600.0
LARGEST = 128 << 10
"""Largest size of a hosts.toml in bytes."""
_KNOWN = {"capabilities", "skip_verify", "header", "override_path", "ca", "client", "dial_timeout"}
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?)(h|ms|m|s|us|µs|ns)")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_A_HEADER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NOT_TO_BE_SET = frozenset({"host", "content-length", "transfer-encoding", "trailer"})
"""Headers that cannot be set in the file; Go's client takes them from the request too."""

log = logging.getLogger(__name__)


class HostEntry(Struct, frozen=True):
    """One host of the file; ``base`` is empty for a server that is not named, and file names are absolute paths."""

    base: str
    capabilities: frozenset[str]
    ca: tuple[str, ...]
    client: tuple[tuple[str, str], ...]
    skip_verify: bool
    headers: tuple[tuple[str, str], ...]
    dial_timeout: float


def parse_hosts_file(text: str, file: Path) -> tuple[HostEntry, ...]:
    """Return the hosts in order, the server last; raises :class:`HostsConfigError`, naming the file and the key."""
    try:
        document = tomllib.loads(text)
    except RecursionError:
        raise HostsConfigError(f"{file}: cannot be read: nested too deep") from None
    except ValueError as error:  # tomllib's own error, or that for a number with thousands of digits
        said = shorten(encodable(str(error)).partition("; use sys.")[0], 256)
        raise HostsConfigError(f"{file}: {said}") from error
    entries = document.pop("host", {})  # in this case alone, because containerd looks for it by itself
    document = _folded(document)
    server = document.pop("server", "")
    if not isinstance(entries, dict):
        raise HostsConfigError(f'{file}: host is not a table like [host."https://mirror"]')
    hosts = [
        _entry(url, entry, file, f'{file}: host."{shown(url).removesuffix("/")}"') for url, entry in entries.items()
    ]
    return (*hosts, _entry(server, document, file, f"{file}: server"))


def _entry(url: Any, entry: Any, file: Path, what: str) -> HostEntry:
    if not isinstance(entry, dict):
        raise HostsConfigError(f"{what} is not a table")
    entry = _folded(entry)
    if unknown := sorted(entry.keys() - _KNOWN):
        log.warning("%s: %s is not a known setting and is ignored", what, escaped(", ".join(unknown)))
    if not isinstance(url, str):
        raise HostsConfigError(f"{what} is not a URL")
    if not url and what != f"{file}: server":
        raise HostsConfigError(f"{what} is not a URL: it is empty")
    return HostEntry(
        base=_base(url, what, override_path=_boolean(entry, "override_path", what)) if url else "",
        capabilities=_capabilities(entry.get("capabilities", []), what),
        ca=tuple(_path(one, file, f"{what}: ca") for one in _as_list(entry.get("ca"))),
        client=tuple(_client(one, file, f"{what}: client") for one in _as_list(entry.get("client"))),
        skip_verify=_boolean(entry, "skip_verify", what),
        headers=_headers(entry.get("header", {}), what),
        dial_timeout=_seconds(entry.get("dial_timeout", ""), what),
    )


def _folded(table: dict[str, Any]) -> dict[str, Any]:
    """Return a table with its known keys in lower case."""
    known = _KNOWN | {"server"}
    return {low if (low := key.lower()) in known else key: value for key, value in table.items()}


def _boolean(entry: dict[str, Any], key: str, what: str) -> bool:
    value = entry.get(key, False)
    if not isinstance(value, bool):
        raise HostsConfigError(f"{what}: {key} must be true or false, not {_quoted(value)}")
    return value


def _capabilities(value: Any, what: str) -> frozenset[str]:
    names = [one.lower() if isinstance(one, str) else one for one in value] if isinstance(value, list) else None
    if names is None or not all(isinstance(one, str) and one in CAPABILITIES for one in names):
        raise HostsConfigError(f"{what}: capabilities may hold pull, resolve and push, not {_quoted(value)}")
    return frozenset(names) or CAPABILITIES


def _base(url: str, what: str, *, override_path: bool) -> str:
    """Return the URL up to where the API begins, without a user, which would appear wherever the host is named."""
    scheme = re.match(r"https?://", url)
    try:
        parsed = parse_url(url if scheme else f"https://{url}")
    except UrlError as error:
        raise HostsConfigError(f"{what}: not an http or https URL: it {error}") from None
    if "://" in url[scheme.end() if scheme else 0 :].partition("?")[0]:
        raise HostsConfigError(f"{what}: {shown(url)!r} is not an http or https URL")
    path = re.sub("//+", "/", parsed.target.partition("?")[0]).rstrip("/")
    if not override_path and not path.endswith("/v2"):
        path += "/v2"
    return f"{parsed.origin}{path}"


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _path(value: Any, file: Path, what: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise HostsConfigError(f"{what} is neither a path nor a list of paths")
    return str(file.parent / value)


def _client(value: Any, file: Path, what: str) -> tuple[str, str]:
    """Read a file name (certificate and key in one file) or a list of the two file names."""
    if isinstance(value, list):
        if not 1 <= len(value) <= 2:
            raise HostsConfigError(f"{what}: a pair must be [certificate, key], not {len(value)} files")
        certificate = _path(value[0], file, what)
        return certificate, _path(value[1], file, what) if len(value) == 2 and value[1] != "" else ""
    return _path(value, file, what), ""


def _headers(table: Any, what: str) -> tuple[tuple[str, str], ...]:
    if not isinstance(table, dict):
        raise HostsConfigError(f"{what}: header is not a table")
    headers: list[tuple[str, str]] = []
    for name, value in table.items():
        shown_name = escaped(name, 64)
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(item, str) for item in values):
            raise HostsConfigError(f"{what}: header {shown_name} is neither a string nor a list of strings")
        if not _HEADER_NAME.fullmatch(name):
            raise HostsConfigError(f"{what}: header: {shown_name!r} cannot be the name of a header")
        if any(_NOT_IN_A_HEADER.search(item) for item in values):
            raise HostsConfigError(f"{what}: header {shown_name} contains a line end or another control character")
        if name.lower() in _NOT_TO_BE_SET:
            log.warning("%s: header %s is set by the request itself and is ignored here", what, shown_name)
            continue
        headers += [(name, item) for item in values]
    return tuple(headers)


def _seconds(text: Any, what: str) -> float:
    """Read a duration in Go's notation; 0 and durations above the longest mean the limits of the program."""
    if text == "":
        return DIAL_TIMEOUT
    if not isinstance(text, str) or len(text) > 64 or not re.fullmatch(f"(?:{_DURATION.pattern})+", text):
        raise HostsConfigError(f'{what}: dial_timeout must be a duration like "10s", not {_quoted(text)}')
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text))
    return min(seconds, LONGEST_DIAL_TIMEOUT) or DIAL_TIMEOUT


def _quoted(value: Any) -> str:
    return escaped(repr(value), 64)
