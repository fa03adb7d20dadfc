"""Find the hosts that serve a registry name: the default host, or those in the files of its directory.

The layout is containerd's (docs/hosts.md): each configured directory has one directory per registry name,
``HOST_PORT_`` or ``HOST:PORT`` or ``HOST``, else ``_default``. The first one that exists is used. Its hosts.toml lists
the hosts to ask (see :mod:`.hosts_file`). Without a hosts.toml, Docker's ``*.crt``, ``*.cert`` and ``*.key`` files in
it apply to the registry itself. Loopback names default to plain HTTP unless there are certificates for them.
"""

from __future__ import annotations

import errno
import ipaddress
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from containerd_client.distribution.registries.hosts_file import LARGEST, parse_hosts_file
from containerd_client.distribution.registries.regular_file import read_regular_file
from containerd_client.distribution.values.errors import HostsConfigError, InvalidReferenceError
from containerd_client.distribution.values.urls import UrlError, parse_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from containerd_client.distribution.registries.hosts_file import HostEntry

RESOLVE = "resolve"
PULL = "pull"

_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})

HUB_NAMES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
"""The names of Docker Hub."""
HUB_REALM = "auth.docker.io"
"""Docker Hub's token server."""


class Tls(Struct, frozen=True):
    """Authorities to trust besides the system's, and client certificates, as (certificate, key) files."""

    ca: tuple[str, ...] = ()
    client: tuple[tuple[str, str], ...] = ()
    """An empty key means that the certificate's file also contains the key."""
    skip_verify: bool = False


ORDINARY_TLS: Final = Tls()


class Host(Struct, frozen=True):
    """One server to ask; ``base`` is its URL up to and including ``/v2``, ``mirror`` is false for the registry."""

    base: str
    capabilities: frozenset[str] = frozenset({RESOLVE, PULL})
    tls: Tls = ORDINARY_TLS
    headers: tuple[tuple[str, str], ...] = ()
    mirror: bool = False
    dial_timeout: float = 30.0
    """Seconds within which a connection must be made."""

    @property
    def authority(self) -> str:
        """``host[:port]``."""
        return urlsplit(self.base).netloc

    def serves_as_proxy(self, domain: str) -> bool:
        """Return whether it is another server than the registry ``domain``, so that requests must name the registry.

        As in containerd, only the names count, also for the ``server`` of a hosts.toml.
        """
        return self.authority != domain and (domain, self.authority) != ("docker.io", "registry-1.docker.io")


def is_loopback(authority: str) -> bool:
    """Return whether ``host[:port]`` is this machine: ``localhost``, 127.0.0.0/8 or [::1]."""
    try:
        name = urlsplit(f"//{authority}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def default_host(domain: str, tls: Tls = ORDINARY_TLS) -> Host:
    """Return the upstream host of a registry name when nothing is configured for it.

    Raises :class:`InvalidReferenceError` for a name that has the form of a host but cannot exist (port 99999).
    """
    authority = "registry-1.docker.io" if domain == "docker.io" else domain
    try:
        parse_url(f"https://{authority}")
    except UrlError as error:
        raise InvalidReferenceError(f"{domain} is not the address of a registry: it {error}") from None
    scheme = "http" if is_loopback(authority) and tls == ORDINARY_TLS else "https"
    return Host(f"{scheme}://{authority}/v2", tls=tls)


def hosts_of(domain: str, config_path: Sequence[Path] = ()) -> tuple[Host, ...]:
    """Return the hosts to ask for a registry name, in order; reads one directory and one small file.

    Raises :class:`HostsConfigError`, which names the file and what is wrong in it.
    """
    directory = directory_of(domain, config_path)
    if directory is None:
        return (default_host(domain),)
    file = directory / "hosts.toml"
    try:
        text = read_regular_file(file, LARGEST).decode()
    except FileNotFoundError:
        text = ""
    except OSError as error:
        raise HostsConfigError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise HostsConfigError(f"{file}: cannot be read: byte {error.start} is not UTF-8") from error
    except ValueError as error:
        raise HostsConfigError(f"{file}: cannot be read: it {error}") from error
    if not text:  # an empty file counts as an absent one
        return (default_host(domain, _docker_style(directory)),)
    return parse_hosts(text, domain, file)


def directory_of(domain: str, config_path: Sequence[Path]) -> Path | None:
    """Return the first existing directory for a registry name; raises :class:`HostsConfigError`."""
    for path in (root / name for root in config_path for name in _directories(domain)):
        try:
            status = path.stat()
        except OSError as error:
            if error.errno in _ABSENT:
                continue
            raise HostsConfigError(f"{path}: cannot be read: {error.strerror}") from error
        if not stat.S_ISDIR(status.st_mode):
            raise HostsConfigError(f"{path}: is not a directory")
        return path
    return None


def split_config_path(text: str) -> tuple[Path, ...]:
    """Split ``registry.config_path``, a colon-separated list of directories."""
    return tuple(Path(part) for part in text.split(":") if part)


def parse_hosts(text: str, domain: str, file: Path) -> tuple[Host, ...]:
    """Parse the text of a hosts.toml; paths in it are relative to ``file``. Raises :class:`HostsConfigError`."""
    *mirrors, server = parse_hosts_file(text, file)
    return (*(_host(entry, mirror=True) for entry in mirrors), _upstream(server, domain))


def _upstream(entry: HostEntry, domain: str) -> Host:
    """Return the file's server, or the registry itself with the file's top-level settings if it names no server."""
    if entry.base:
        return _host(entry, mirror=False)
    host = default_host(domain, _tls(entry))
    return replace(host, headers=entry.headers, dial_timeout=entry.dial_timeout)


def _host(entry: HostEntry, *, mirror: bool) -> Host:
    return Host(entry.base, entry.capabilities, _tls(entry), entry.headers, mirror, entry.dial_timeout)


def _tls(entry: HostEntry) -> Tls:
    return Tls(entry.ca, entry.client, entry.skip_verify)


def _directories(domain: str) -> tuple[str, ...]:
    host, colon, port = domain.rpartition(":")
    if colon and port.isdigit():
        return f"{host}_{port}_", domain, "_default"
    return domain, "_default"


def _docker_style(directory: Path) -> Tls:
    """Return the TLS settings of a directory in Docker's layout.

    ``*.crt`` are authorities; ``NAME.cert`` with ``NAME.key`` (or both in one file) is a client certificate.
    """
    try:
        files = sorted(file for file in directory.iterdir() if not file.is_dir())
    except OSError as error:
        raise HostsConfigError(f"{directory}: cannot be read: {error}") from error
    client: list[tuple[str, str]] = []
    for certificate in (file for file in files if file.suffix == ".cert"):
        key = certificate.with_suffix(".key")
        if key not in files and not _holds_key(certificate):
            raise HostsConfigError(f"{certificate}: its key {key.name} is missing beside it")
        client.append((str(certificate), str(key) if key in files else ""))
    return Tls(tuple(str(file) for file in files if file.suffix == ".crt"), tuple(client))


def _holds_key(certificate: Path) -> bool:
    try:
        return b"PRIVATE KEY-----" in read_regular_file(certificate)
    except (OSError, ValueError) as error:
        raise HostsConfigError(f"{certificate}: cannot be read: {error}") from error
