"""Who serves a registry name: the default, or what the files in its directory say.

The layout is containerd's (docs/hosts.md): under each configured directory one per registry name, ``HOST_PORT_`` or
``HOST:PORT`` or ``HOST``, else ``_default``. The first one that exists counts. Its hosts.toml says who is asked (see
:mod:`.hosts_file`); without one, Docker's ``*.crt``, ``*.cert`` and ``*.key`` in it are for the registry itself.
Loopback names default to plain HTTP, unless there are certificates for them.
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

from containerd_client.distribution.errors import HostsConfigError, InvalidReferenceError
from containerd_client.distribution.hosts_file import LARGEST, parse_hosts_file
from containerd_client.distribution.regular_file import read_regular_file
from containerd_client.distribution.urls import UrlError, parse_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from containerd_client.distribution.hosts_file import HostEntry

RESOLVE = "resolve"
PULL = "pull"

_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})

HUB_NAMES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
"""All of these are Docker Hub."""
HUB_REALM = "auth.docker.io"
"""Its token server."""


class Tls(Struct, frozen=True):
    """Whom to trust besides the system's authorities, and what to show: (certificate, key) files."""

    ca: tuple[str, ...] = ()
    client: tuple[tuple[str, str], ...] = ()
    """The key may be empty: then it is in the certificate's file."""
    skip_verify: bool = False


ORDINARY_TLS: Final = Tls()


class Host(Struct, frozen=True):
    """One server to ask. ``base`` is its URL up to and including ``/v2``; ``mirror`` if it is not the name itself."""

    base: str
    capabilities: frozenset[str] = frozenset({RESOLVE, PULL})
    tls: Tls = ORDINARY_TLS
    headers: tuple[tuple[str, str], ...] = ()
    mirror: bool = False
    dial_timeout: float = 30.0
    """Seconds for a connection to be made."""

    @property
    def authority(self) -> str:
        """``host[:port]``."""
        return urlsplit(self.base).netloc


def is_loopback(authority: str) -> bool:
    """Whether ``host[:port]`` is this machine: ``localhost``, 127.0.0.0/8 or [::1]."""
    try:
        name = urlsplit(f"//{authority}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def default_host(domain: str, tls: Tls = ORDINARY_TLS) -> Host:
    """Return the upstream of a registry name when nothing else is said.

    Raises :class:`InvalidReferenceError` for a name that has the form of a host but cannot be one (port 99999).
    """
    authority = "registry-1.docker.io" if domain == "docker.io" else domain
    try:
        parse_url(f"https://{authority}")
    except UrlError as error:
        raise InvalidReferenceError(f"{domain} is not the address of a registry: it {error}") from None
    scheme = "http" if is_loopback(authority) and tls == ORDINARY_TLS else "https"
    return Host(f"{scheme}://{authority}/v2", tls=tls)


def hosts_of(domain: str, config_path: Sequence[Path] = ()) -> tuple[Host, ...]:
    """Return the hosts to ask for a registry name, in order. Reads one directory and one small file.

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
    """Return the directory of a registry name, the first that exists. Raises :class:`HostsConfigError`."""
    for path in (root / name for root in config_path for name in _directories(domain)):
        try:
            found = path.stat()
        except OSError as error:
            if error.errno in _ABSENT:
                continue
            raise HostsConfigError(f"{path}: cannot be read: {error.strerror}") from error
        if not stat.S_ISDIR(found.st_mode):
            raise HostsConfigError(f"{path}: is not a directory")
        return path
    return None


def split_config_path(text: str) -> tuple[Path, ...]:
    """Split ``registry.config_path``, a list of directories with colons between."""
    return tuple(Path(part) for part in text.split(":") if part)


def parse_hosts(text: str, domain: str, file: Path) -> tuple[Host, ...]:
    """Read the text of a hosts.toml; paths in it are relative to ``file``. Raises :class:`HostsConfigError`."""
    *mirrors, server = parse_hosts_file(text, file)
    return (*(_host(entry, mirror=True) for entry in mirrors), _upstream(server, domain))


def _upstream(entry: HostEntry, domain: str) -> Host:
    """The server of the file; where it names none, the registry itself with what the file says at its top."""
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
    """Read a directory as Docker does.

    ``*.crt`` are authorities, ``NAME.cert`` with ``NAME.key`` (or both in one file) is a client.
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
