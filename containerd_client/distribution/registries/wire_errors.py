"""Convert errors of the HTTP library to those of this package, without the addresses of other servers."""

from __future__ import annotations

import os
import re
import socket
import ssl
import sys
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from containerd_client.distribution.values.errors import NotHttpError, RegistryUnavailableError, TransferError
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 512
"""Characters that an error shows of a text of the library or the server."""

_CLOSED: Final = (
    "the connection was closed without an answer, as servers do that expect TLS, or a client certificate, and get none"
)
_NO_TLS: Final = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL"}
_OTHER_NAME: Final = {62, 64}  # X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of openssl

_OLD_TLS: Final = {
    "LEGACY_SIGALG_DISALLOWED_OR_UNSUPPORTED",
    "UNSUPPORTED_PROTOCOL",
    "TLSV1_ALERT_PROTOCOL_VERSION",
    "VERSION_TOO_LOW",
}
_WEAK: Final = {66, 67, 68}  # X509_V_ERR_EE_KEY_TOO_SMALL, CA_KEY_TOO_SMALL and CA_MD_TOO_WEAK
_OPENSSL: Final = re.compile(r"\[(?:SSL|X509)(?:: (?P<code>\w+))?\] (?P<words>.*?)(?: \(_ssl\.c:[0-9]+\))?")
"""The form in which Python shows an error of OpenSSL; the HTTP library keeps of some nothing but this text."""
_CUT_SHORT: Final = "Response payload is not completed"
"""The beginning of the library's text, which continues with a status that the server has not sent."""
_NUMBER: Final = re.compile(r"^\[Errno -?[0-9]+\] ")


@contextmanager
def as_transfer_errors(what: str) -> Iterator[None]:
    """Turn the errors of aiohttp inside the block into a :class:`TransferError` that begins with ``what``."""
    import aiohttp  # noqa: PLC0415 - loaded before the first request

    try:
        yield
    except TimeoutError as error:
        raise TransferError(f"{what}: no answer or no byte in time") from error
    except aiohttp.InvalidURL:
        raise RegistryUnavailableError(f"{what}: the address is not usable") from None
    except aiohttp.ClientHttpProxyError as error:
        raise TransferError(f"{what}: the proxy answers {_usual(error.status)}") from None
    except aiohttp.ClientResponseError as error:
        # The number in the text is the library's own; lines after the first one point at the place in the answer.
        said = " ".join(line.strip() for line in error.message.splitlines() if line.strip(" ^"))
        raise NotHttpError(f"{what}: the answer is not valid HTTP: {escaped(said, LONGEST)}") from None
    except aiohttp.ClientConnectorError as error:
        kind = RegistryUnavailableError if _is_definite(error.os_error) else TransferError
        raise kind(f"{what}: cannot connect: {_reason(error.os_error)}") from error
    except aiohttp.ServerDisconnectedError as error:
        raise TransferError(f"{what}: {_CLOSED}") from error
    except (aiohttp.ClientError, OSError) as error:
        raise TransferError(f"{what}: {_said(error)}") from error
    except _socks_errors() as error:
        raise TransferError(f"{what}: the SOCKS proxy: {_said(error)}") from error


def _is_definite(error: OSError) -> bool:
    """Return whether the next attempt would fail in the same way."""
    return isinstance(error, ssl.SSLCertVerificationError) or (
        isinstance(error, ssl.SSLError) and error.reason in _NO_TLS | _OLD_TLS
    )


def _reason(error: OSError) -> str:
    """Return the system's reason why a connection could not be made; the caller's text names the target already."""
    if isinstance(error, socket.gaierror):
        return f"the name is not found: {str(error.strerror).lower()}"
    if isinstance(error, ssl.SSLError):
        return _tls_reason(error)
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    return _said(error)


def _tls_reason(error: ssl.SSLError) -> str:
    """Return why a TLS connection could not be made, and what an administrator can change about it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        said = escaped(error.verify_message.rstrip("."), LONGEST)
        if error.verify_code in _OTHER_NAME:
            return f"its certificate has another name: {said}; use a name that it has"
        if error.verify_code in _WEAK:
            return f"its certificate is too weak: {said}; it needs another one"
        return f"its certificate is not trusted: {said}; set `ca` in hosts.toml, or provide HOST/ca.crt"
    return _of_openssl(error.reason or "") or _said(error)


def _of_openssl(reason: str) -> str:
    """Return what one of OpenSSL's reasons means; empty for an unknown one."""
    if reason in _NO_TLS:
        return "it does not speak TLS; if it is a registry without, write its address with http:// in hosts.toml"
    if "CERTIFICATE_REQUIRED" in reason or "HANDSHAKE_FAILURE" in reason:
        return "it refuses TLS without a client certificate, or with these ciphers; `client` in hosts.toml names one"
    if reason in _OLD_TLS:
        return "it offers only versions of TLS before 1.2, which are not secure"
    return f"TLS: {reason.replace('_', ' ').lower()}" if reason else ""


def words_of_openssl(error: ssl.SSLError) -> str:
    """Return an error of OpenSSL's without its codes and places."""
    parts = _OPENSSL.fullmatch(str(error))
    return escaped(parts["words"] if parts else str(error.reason or error), LONGEST)


def _said(error: Exception) -> str:
    """Return the text of an error; the library's errors without one mean that the other side closed the connection."""
    text = _NUMBER.sub("", str(error)) or "the connection was closed by the other side"
    if text.startswith(_CUT_SHORT):
        text = "the connection ended before the whole body had arrived"
    openssl = _OPENSSL.fullmatch(text)
    if openssl is not None:
        reason = openssl["code"] or openssl["words"].upper().replace(" ", "_")
        text = _of_openssl(reason)
    return escaped(text, LONGEST)


def _usual(status: int) -> str:
    """Return a status and its standard meaning; the proxy's own text could repeat the login that it received."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _socks_errors() -> tuple[type[Exception], ...]:
    library = sys.modules.get("aiohttp_socks")
    if library is None:
        return ()
    return (library.ProxyError, library.ProxyConnectionError, library.ProxyTimeoutError)
