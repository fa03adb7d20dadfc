"""How a request gets to a registry: one HTTP session, TLS, proxies, logins, and errors that hold no secrets.

aiohttp is imported with the first request: a daemon whose images are all there never pays for it.
"""

from __future__ import annotations

import asyncio
import importlib
import json
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from containerd_client.distribution.errors import RegistryUnavailableError, TransferError
from containerd_client.distribution.hosts import ORDINARY_TLS, Tls, is_loopback
from containerd_client.distribution.login import Login, TokenAnswer, plain
from containerd_client.distribution.retry_after import BUSY, wait_of
from containerd_client.distribution.tls import TlsContexts

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Iterator, Mapping

    import aiohttp

    from containerd_client.distribution.credentials import Credentials
    from containerd_client.distribution.hosts import Host

TOKEN_TIMEOUT = 30.0
LARGEST_TOKEN = 1 << 20
"""Bytes of a token server's answer."""
RENEWALS = 2
"""New Authorizations tried for one request: the first, and one for a token that has just run out."""
BUFFER = 1 << 18
"""Bytes; aiohttp drops what it has buffered (twice as much) when a connection breaks, and that is asked for again."""


class Transport:
    """The session that all requests share, opened at the first."""

    def __init__(self, user_agent: str) -> None:
        self._user_agent = user_agent
        self._session: aiohttp.ClientSession | None = None
        self._contexts = TlsContexts()

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def login(self, host: Host, repository: str, credentials: Credentials) -> Login:
        """Make the way in at one host for one repository."""

        async def ask(
            url: str, *, query: Mapping[str, str], form: Mapping[str, str] | None, authorization: str
        ) -> TokenAnswer:
            return await self._token(host, url, query, form, authorization)

        return Login(host.base, repository, credentials, ask)

    @asynccontextmanager
    async def request(
        self,
        host: Host,
        login: Login,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str] | None = None,
        read_timeout: float | None = None,
        total_timeout: float | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request, with a new Authorization if the host wants one, and give the answer, whatever its status.

        What breaks on the way, in the body too, comes out as :class:`TransferError`; a refused login as
        :class:`UnauthorizedError`. The body is given as it is on the wire.
        """
        for number in range(RENEWALS + 1):
            authorization = await login.header()
            again = False
            async with self._send(
                host,
                method,
                url,
                headers=[*host.headers, *headers.items(), *_authorization(authorization)],
                params=query,
                timeouts=(total_timeout, read_timeout),
            ) as response:
                again = (
                    response.status == 401
                    and number < RENEWALS
                    and await login.answer(response.headers.getall("WWW-Authenticate", []), authorization)
                )
                if not again:
                    yield response
            if not again:
                return

    async def _token(
        self, host: Host, url: str, query: Mapping[str, str], form: Mapping[str, str] | None, authorization: str
    ) -> TokenAnswer:
        """Ask a token server. One that is busy is a :class:`TransferError`, like a registry."""
        async with self._send(
            host,
            "GET" if form is None else "POST",
            url,
            headers=_authorization(authorization),
            params=query,
            data=form,
            timeouts=(TOKEN_TIMEOUT, TOKEN_TIMEOUT),
        ) as response:
            if response.status in BUSY:
                raise TransferError(f"token server {plain(url)} answers {response.status}", wait_of(response.headers))
            if response.status != 200:
                return TokenAnswer(response.status, {})
            data = await response.content.read(LARGEST_TOKEN)
            while more := await response.content.read(LARGEST_TOKEN):
                data += more
                if len(data) > LARGEST_TOKEN:
                    raise RegistryUnavailableError(f"token server {plain(url)} sends more than a token")
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            document = None
        return TokenAnswer(200, document if isinstance(document, dict) else {})

    @asynccontextmanager
    async def _send(
        self,
        host: Host,
        method: str,
        url: str,
        *,
        headers: list[tuple[str, str]],
        timeouts: tuple[float | None, float | None],
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        session = await self._open()
        context = await self._tls(host.tls, url)
        import aiohttp  # noqa: PLC0415 - loaded by _open

        total, read = timeouts
        with as_transfer_errors(f"{method} {plain(url)}"):
            # aiohttp itself takes Authorization away when it is sent on to another host.
            async with session.request(
                method,
                url,
                headers=headers,
                params=params,
                data=data,
                timeout=aiohttp.ClientTimeout(total=total, sock_connect=host.dial_timeout, sock_read=read),
                ssl=context,
                proxy=_proxy(url),
                allow_redirects=True,
            ) as response:
                yield response

    async def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # 7 MiB that only pulling needs; in a thread, because it takes a tenth of a second.
            await asyncio.to_thread(importlib.import_module, "aiohttp")
        import aiohttp  # noqa: PLC0415 - loaded just now

        if self._session is None:
            self._session = aiohttp.ClientSession(
                auto_decompress=False,
                headers={"User-Agent": self._user_agent},
                timeout=aiohttp.ClientTimeout(total=None),
                read_bufsize=BUFFER,
                # One user's cookies are not the next one's.
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def _tls(self, tls: Tls, url: str) -> ssl.SSLContext | bool:
        if tls == ORDINARY_TLS or not url.startswith("https:"):
            return True
        return await asyncio.to_thread(self._contexts.of, tls)


@contextmanager
def as_transfer_errors(what: str) -> Iterator[None]:
    """Let what aiohttp raises leave the block as an error of this package, without the URLs it might hold."""
    import aiohttp  # noqa: PLC0415 - loaded before the first request

    try:
        yield
    except TimeoutError as error:
        raise TransferError(f"{what}: no answer or no byte in time") from error
    except aiohttp.TooManyRedirects as error:
        raise RegistryUnavailableError(f"{what}: too many redirects") from error
    except aiohttp.InvalidURL:
        # A redirect to nowhere; the address, which aiohttp would show, is the server's and may be signed.
        raise RegistryUnavailableError(f"{what}: is redirected to something that is no URL") from None
    except aiohttp.ClientResponseError as error:
        text = f"{type(error).__name__} {error.status} {error.message}"
        raise TransferError(f"{what}: {text}") from None
    except (aiohttp.ClientError, OSError) as error:
        raise TransferError(f"{what}: {error or type(error).__name__}") from error


def _authorization(value: str) -> list[tuple[str, str]]:
    return [("Authorization", value)] if value else []


def _proxy(url: str) -> str | None:
    """Return the proxy that the environment names for this URL; loopback is never proxied."""
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - a MiB for what the first pull needs

    parts: Any = urlsplit(url)
    if is_loopback(parts.netloc) or proxy_bypass(parts.netloc):
        return None
    return getproxies().get(parts.scheme)
