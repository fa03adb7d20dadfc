"""TLS settings of a registry host as Python's ``ssl`` takes them.

Reading the system's authorities takes milliseconds, so a context is made in a thread and kept for as long as the files
it was made of are the same: a certificate that is renewed on disk is used by the next request.
"""

from __future__ import annotations

import ssl
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from containerd_client.distribution.errors import HostsConfigError

if TYPE_CHECKING:
    from containerd_client.distribution.hosts import Tls

_KEPT = 32


class TlsContexts:
    """One context for each kind of TLS settings that was asked for lately. Blocks: call it in a thread."""

    def __init__(self) -> None:
        self._contexts: OrderedDict[tuple[Tls, tuple[int, ...]], ssl.SSLContext] = OrderedDict()

    def of(self, tls: Tls) -> ssl.SSLContext:
        """The context for these settings. Raises :class:`HostsConfigError` naming the file that cannot be used."""
        key = (tls, tuple(_stamp(file) for file in _files(tls)))
        context = self._contexts.get(key)
        if context is None:
            context = self._contexts[key] = _context(tls)
            if len(self._contexts) > _KEPT:
                self._contexts.popitem(last=False)
        return context


def _files(tls: Tls) -> tuple[str, ...]:
    return (*tls.ca, *(file for pair in tls.client for file in pair if file))


def _stamp(file: str) -> int:
    try:
        return Path(file).stat().st_mtime_ns
    except OSError as error:
        raise HostsConfigError(f"{file}: cannot be read: {error.strerror}") from error


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if tls.skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    for ca in tls.ca:
        try:
            context.load_verify_locations(cafile=ca)
        except (OSError, ssl.SSLError) as error:
            raise HostsConfigError(f"{ca}: holds no certificates that can be used: {error}") from error
    for certificate, key in tls.client:
        try:
            # Asked for a passphrase, OpenSSL would read the terminal.
            context.load_cert_chain(certificate, key or None, password=b"")
        except (OSError, ssl.SSLError) as error:
            raise HostsConfigError(f"{certificate}: no certificate and key that fit: {error}") from error
    return context
