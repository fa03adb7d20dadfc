"""Say what the inline tables of registries said in the form of hosts.toml, which this daemon reads.

containerd's tables ``mirrors`` and ``configs`` are deprecated, and this daemon never had them. Source: containerd
``docs/hosts.md``, and ``registryHosts`` of ``pkg/cri/server/image_pull.go`` in 1.7 for what the tables meant.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

_ANY: Final = "*"
_DOCKER: Final = {"docker.io": "https://registry-1.docker.io"}
_TLS: Final = {"insecure_skip_verify": bool, "ca_file": str, "cert_file": str, "key_file": str}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One host that is asked, by its URL, with its options of TLS."""

    url: str
    tls: dict[str, Any] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """The host with its port, by which ``configs`` names it."""
        return urlsplit(self.url).netloc


@dataclass(frozen=True, slots=True)
class HostsFile:
    """One directory below ``config_path`` and what its hosts.toml says."""

    registry: str
    """The host of the registry; ``_default`` for all."""
    server: str
    endpoints: tuple[Endpoint, ...]

    def lines(self) -> list[str]:
        """Return the text of the file."""
        lines = [f"server = {_quoted(self.server)}"] if self.server else []
        for endpoint in self.endpoints:
            lines += ["", f"[host.{_quoted(endpoint.url)}]", '  capabilities = ["pull", "resolve"]']
            if urlsplit(endpoint.url).path.rstrip("/") not in {"", "/v2"}:
                lines.append("  override_path = true")
            if endpoint.tls.get("insecure_skip_verify"):
                lines.append("  skip_verify = true")
            if endpoint.tls.get("ca_file"):
                lines.append(f"  ca = {_quoted(endpoint.tls['ca_file'])}")
            if endpoint.tls.get("cert_file"):
                pair = (endpoint.tls["cert_file"], endpoint.tls.get("key_file", ""))
                lines.append(f"  client = [[{', '.join(map(_quoted, pair))}]]")
        return lines


def wrong_urls(mirrors: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each registry whose name is not that of a host, or with the key, whose URLs are not all URLs."""
    for registry, mirror in mirrors.items():
        if registry != _ANY and not _url(registry):
            yield registry, ""
        endpoints = mirror.get("endpoint", []) if isinstance(mirror, dict) else []
        if isinstance(endpoints, list) and any(isinstance(url, str) and not _url(url) for url in endpoints):
            yield registry, "endpoint"


def of_mirrors(mirrors: dict[str, Any]) -> list[HostsFile]:
    """Return a file for each registry that has mirrors; the registry itself is asked last, as it was."""
    files = []
    for registry, mirror in mirrors.items():
        if registry != _ANY and not _url(registry):
            continue
        endpoints = mirror.get("endpoint", []) if isinstance(mirror, dict) else []
        urls = [url for url in endpoints if isinstance(url, str)] if isinstance(endpoints, list) else []
        server = "" if registry == _ANY else _DOCKER.get(registry, _url(registry))
        name = "_default" if registry == _ANY else registry
        files.append(HostsFile(name, server, tuple(Endpoint(each) for url in urls if (each := _url(url)))))
    return files


def of_tls(host: str, tls: Any) -> list[HostsFile]:
    """Return the file for a host that has options of TLS."""
    options = {
        name: tls[name] for name, kind in _TLS.items() if isinstance(tls, dict) and isinstance(tls.get(name), kind)
    }
    url = _DOCKER.get(host, _url(host))
    return [HostsFile(host, url, (Endpoint(url, options),))] if url else []


def joined(files: list[HostsFile]) -> list[HostsFile]:
    """Return one file for each registry: the options of a host go to every mirror that is at that host."""
    tls = {endpoint.host: endpoint.tls for file in files for endpoint in file.endpoints if endpoint.tls}
    mirrors = [file for file in files if not any(endpoint.tls for endpoint in file.endpoints)]
    used = {endpoint.host for file in mirrors for endpoint in file.endpoints}
    result = []
    for file in mirrors:
        endpoints = tuple(Endpoint(each.url, tls.get(each.host, {})) for each in file.endpoints)
        own = urlsplit(file.server).netloc
        if own in tls and own not in used:
            endpoints = (*endpoints, Endpoint(file.server, tls[own]))
        result.append(HostsFile(file.registry, file.server, endpoints))
    known = {file.registry for file in mirrors}
    alone = [file for file in files if file.registry not in known and any(each.tls for each in file.endpoints)]
    return [*result, *(file for file in alone if file.registry not in used)]


def _with_scheme(url: str) -> str:
    """Return a URL as containerd completes it: plain HTTP for this machine only."""
    if "://" in url:
        return url
    name = url.partition("/")[0].rpartition(":")[0] or url
    return f"http://{url}" if name in {"localhost", "127.0.0.1", "[::1]"} else f"https://{url}"


def _url(text: str) -> str:
    """Return a URL as containerd uses it, without a login and a query; an empty string if it is none."""
    try:
        parts = urlsplit(_with_scheme(text))
    except ValueError:  # such as half of an IPv6 address
        return ""
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" if host else ""


def _quoted(text: str) -> str:
    return json.dumps(text).replace("\x7f", "\\u007f")
