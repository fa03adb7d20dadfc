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
        raise TransferError(f"{what}: cannot connect: {_reason(error.os_error)}") from error
    except (aiohttp.ClientError, OSError) as error:
        raise TransferError(f"{what}: {_said(error)}") from error
    except _socks_errors() as error:
        raise TransferError(f"{what}: the SOCKS proxy: {_said(error)}") from error


def _reason(error: OSError) -> str:
    """Return the system's reason why a connection could not be made; the caller's text names the target already."""
    if isinstance(error, socket.gaierror):
        return f"the name is not found: {str(error.strerror).lower()}"
    if error.errno is not None and error.errno > 0 and not isinstance(error, ssl.SSLError):
        return os.strerror(error.errno).lower()
    return _said(error)


def _said(error: Exception) -> str:
    """Return the text of an error; the library's errors without one mean that the other side closed the connection."""
    text = _NUMBER.sub("", str(error)) or "the connection was closed by the other side"
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
