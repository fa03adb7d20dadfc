"""Make ``ssl`` contexts from the TLS settings of a registry host.

The rules are those of Go, because the certificates were made for Go programs: every trusted certificate is an anchor,
self-signed or not; a server is identified only by its subject alternative names; and certificates that merely lack
extensions, as those of private authorities often do, are accepted.

Reading the system's authorities takes milliseconds, so a context is made in a thread and kept until one of its files
changes: the next request uses a certificate that was renewed on disk.
"""

from __future__ import annotations

import functools
import os
import ssl
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from containerd_client.distribution.registries.pem import trust_certificates
from containerd_client.distribution.registries.regular_file import read_regular_file
from containerd_client.distribution.registries.wire_errors import words_of_openssl
from containerd_client.distribution.values.errors import HostsConfigError

if TYPE_CHECKING:
    from containerd_client.distribution.registries.hosts import Tls

_CACHE_SIZE = 32
_CIPHERS = "DEFAULT:!aNULL:!eNULL:!3DES:!DES:!RC4:!SEED:!IDEA:!MD5:!PSK:!SRP:!aDSS:@SECLEVEL=1"
"""The same with every build of Python. The level allows keys of 1024 bits, as Go does, and no signatures with SHA-1."""


class TlsContexts:
    """Contexts by TLS settings, for the settings that were used lately. It blocks, so call it in a thread."""

    def __init__(self) -> None:
        self._contexts: OrderedDict[tuple[Tls, tuple[tuple[int, ...], ...]], ssl.SSLContext] = OrderedDict()

    def of(self, tls: Tls) -> ssl.SSLContext:
        """Return the context for these settings; raises :class:`HostsConfigError` that names the unusable file."""
        key = (tls, tuple(_stamp(file) for file in _files(tls)))
        context = self._contexts.get(key)
        if context is None:
            context = self._contexts[key] = _context(tls)
            if len(self._contexts) > _CACHE_SIZE:
                self._contexts.popitem(last=False)
        return context

    def without_files(self, tls: Tls) -> ssl.SSLContext | None:
        """Return the existing context for settings that name no file, or None; does not block."""
        return None if tls.ca or tls.client else self._contexts.get((tls, ()))


class _ContextByName(ssl.SSLContext):
    """Uses one context for a single name, and another one for all other names."""

    name: str
    for_name: ssl.SSLContext
    for_others: ssl.SSLContext

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: Any = None,
    ) -> ssl.SSLObject:
        """Make a connection with the context for the server's name (called by the event loop)."""
        context = self.for_name if server_hostname == self.name else self.for_others
        return context.wrap_bio(incoming, outgoing, server_side, server_hostname, session)


@functools.lru_cache(maxsize=_CACHE_SIZE)
def context_by_name(name: str, for_name: ssl.SSLContext, for_others: ssl.SSLContext) -> ssl.SSLContext:
    """Return a context that uses ``for_name`` for connections to the server ``name``, and ``for_others`` for the rest.

    The HTTP library uses the context of a request for its proxy as well. A client certificate is for its own host.
    """
    context = _ContextByName(ssl.PROTOCOL_TLS_CLIENT)
    context.name, context.for_name, context.for_others = name, for_name, for_others
    return context


def _files(tls: Tls) -> tuple[str, ...]:
    return (*tls.ca, *(file for pair in tls.client for file in pair if file))


def _stamp(file: str) -> tuple[int, ...]:
    try:
        status = Path(file).stat()
    except (OSError, ValueError) as error:
        raise HostsConfigError(f"{file}: cannot be read: {getattr(error, 'strerror', '') or error}") from error
    return status.st_ctime_ns, status.st_size, status.st_ino


def _read(file: str) -> bytes:
    try:
        return read_regular_file(Path(file))
    except OSError as error:
        raise HostsConfigError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise HostsConfigError(f"{file}: {error}") from error


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # set by default from Python 3.13 on
    context.hostname_checks_common_name = False
    context.set_alpn_protocols(("http/1.1",))
    context.set_ciphers(_CIPHERS)
    if tls.skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    for ca in tls.ca:
        if not trust_certificates(context, _read(ca)):
            raise HostsConfigError(f"{ca}: holds no usable certificates (they must be in PEM form)")
    for certificate, key in tls.client:
        _load_client(context, certificate, key)
    return context


def _load_client(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Load a client certificate; OpenSSL reads only files, so it receives copies in memory that cannot block it."""
    data = _read(certificate), _read(key or certificate)
    pair = _copy(data[0]), _copy(data[1])
    try:
        # Without a password OpenSSL would ask for the passphrase on the terminal.
        context.load_cert_chain(f"/proc/self/fd/{pair[0]}", f"/proc/self/fd/{pair[1]}", password=b"")
    except ssl.SSLError as error:
        if b"ENCRYPTED" in data[1]:
            raise HostsConfigError(
                f"{key or certificate}: the key is encrypted, and hosts.toml has no setting for a password; decrypt "
                "the key, for example with `openssl pkey`"
            ) from error
        said = words_of_openssl(error)
        raise HostsConfigError(f"{certificate}: holds no matching certificate and key: {said}") from error
    except OSError as error:
        raise HostsConfigError(f"{certificate}: holds no matching certificate and key: {error}") from error
    finally:
        for one in pair:
            os.close(one)


def _copy(data: bytes) -> int:
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    return descriptor
