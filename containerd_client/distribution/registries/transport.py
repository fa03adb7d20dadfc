"""Send requests to registries: redirects, proxies, TLS, logins, and errors without secrets.

Redirects are followed here and not by the HTTP library, because each step decides again which proxy, headers and
credentials to use. What was meant for one server (a login, the headers and the client certificate of its hosts.toml, a
form with a password) is not sent to any other server.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlencode

from msgspec import Struct
from msgspec.structs import replace

from containerd_client.distribution.registries.answer import Answer
from containerd_client.distribution.registries.credentials import basic_authorization
from containerd_client.distribution.registries.login import LARGEST_TOKEN, Login, TokenAnswer
from containerd_client.distribution.registries.proxies import proxy_for
from containerd_client.distribution.registries.retry_after import BUSY, wait_of
from containerd_client.distribution.registries.sessions import SOCKS, Sessions, proxy_headers
from containerd_client.distribution.registries.tls import TlsContexts, context_by_name
from containerd_client.distribution.registries.wire_errors import as_transfer_errors
from containerd_client.distribution.values.errors import RegistryUnavailableError, TransferError, UnauthorizedError
from containerd_client.distribution.values.urls import Url, UrlError, parse_url, resolve_location

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping

    import aiohttp

    from containerd_client.distribution.registries.credentials import Credentials
    from containerd_client.distribution.registries.hosts import Host, Tls
    from containerd_client.distribution.values.urls import Query

TOKEN_TIMEOUT = 30.0
RENEWALS = 2
"""New Authorizations that are tried for one request: the first, and one more if a token has just expired."""
REDIRECTS = 10
"""Redirects that are followed for one request, as many as Go follows."""
_REDIRECT = frozenset({301, 302, 303, 307, 308})
_WITH_BODY = frozenset({307, 308})
_FORM: Final = "application/x-www-form-urlencoded"


class _Request(Struct, frozen=True):
    """One request, of which each server in a chain of redirects receives its part."""

    host: Host
    method: str
    url: Url
    headers: Mapping[str, str] = {}
    """Sent to every server."""
    own_headers: tuple[tuple[str, str], ...] = ()
    """For the server of ``url`` alone."""
    body: bytes | None = None
    """For the server of ``url`` alone."""
    read_timeout: float | None = None
    total_timeout: float | None = None


class Transport:
    """Sends all requests to registries and token servers."""

    def __init__(self, user_agent: str) -> None:
        self._sessions = Sessions(user_agent)
        self._contexts = TlsContexts()

    async def close(self) -> None:
        """Close all connections."""
        await self._sessions.close()

    def login(self, host: Host, repository: str, credentials: Credentials) -> Login:
        """Return a new login at one host for one repository."""

        async def ask(url: str, *, query: Query, form: Mapping[str, str] | None, authorization: str) -> TokenAnswer:
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
    ) -> AsyncIterator[Answer]:
        """Send a request, again with a new Authorization if the host demands one, and yield the answer of any status.

        Raises :class:`TransferError` if the connection breaks and :class:`UnauthorizedError` if a login is refused.
        """
        address = parse_url(url).with_query(query or {})
        for number in range(RENEWALS + 1):
            authorization = await login.header()
            again = False
            request = _Request(
                host,
                method,
                address,
                headers,
                _own_headers(host, headers, authorization),
                read_timeout=read_timeout,
                total_timeout=total_timeout,
            )
            async with self._send(request) as answer:
                again = (
                    answer.status == 401
                    # A challenge of another server must not be answered with this host's login.
                    and not answer.foreign
                    and number < RENEWALS
                    and await login.answer(answer.headers.getall("WWW-Authenticate", []), authorization)
                )
                if not again:
                    yield answer
            if not again:
                return

    async def _token(
        self, host: Host, url: str, query: Query, form: Mapping[str, str] | None, authorization: str
    ) -> TokenAnswer:
        """Send a request to a token server; raises :class:`TransferError` if it is busy, as for a registry."""
        address = parse_url(url).with_query(query)
        request = _Request(
            # A client certificate is used only for the host it is configured for, as with redirects.
            host if address.host == parse_url(host.base).host else replace(host, tls=replace(host.tls, client=())),
            "GET" if form is None else "POST",
            address,
            own_headers=(("Authorization", authorization),) if authorization else (),
            body=urlencode(form, errors="surrogateescape").encode() if form is not None else None,
            read_timeout=TOKEN_TIMEOUT,
            total_timeout=TOKEN_TIMEOUT,
        )
        async with self._send(request) as answer:
            who = f"token server {address.shown}"
            if answer.status in BUSY:
                raise TransferError(f"{who} answers {answer.status}", wait_of(answer.headers))
            if not 200 <= answer.status < 300:
                return TokenAnswer(answer.status, b"")
            body = await answer.read(LARGEST_TOKEN)
        if body is None:
            raise RegistryUnavailableError(f"{who} sends more than {LARGEST_TOKEN} bytes, too many for a token")
        return TokenAnswer(answer.status, body)

    @asynccontextmanager
    async def _send(self, request: _Request) -> AsyncIterator[Answer]:
        """Send a request and follow its redirects, all of it within ``total_timeout``."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + request.total_timeout if request.total_timeout else None
        url, method, body = request.url, request.method, request.body
        what = f"{method} {url.shown}"
        for _ in range(REDIRECTS + 1):
            foreign = not url.same_server(request.url)
            if body is not None and foreign:
                raise UnauthorizedError(f"{what}: the login is redirected to another server, {url.origin}; refused")
            response = await self._hop(request, method, url, body, what, ends=ends, foreign=foreign)
            try:
                location = response.headers.get("Location", "") if response.status in _REDIRECT else ""
                if not location:
                    yield Answer(response, url, what, foreign=foreign, idle_limit=request.read_timeout)
                    return
            finally:
                response.release()
            url = _next(url, location, what)
            what = f"{request.method} {request.url.shown} (redirected to {url.origin})"
            if response.status not in _WITH_BODY and method != "HEAD":
                method, body = "GET", None
        raise RegistryUnavailableError(f"{method} {request.url.shown}: more than {REDIRECTS} redirects")

    async def _hop(
        self,
        request: _Request,
        method: str,
        url: Url,
        body: bytes | None,
        what: str,
        *,
        ends: float | None,
        foreign: bool,
    ) -> aiohttp.ClientResponse:
        """Send the request to one server and return the answer as soon as its headers have arrived."""
        proxy = proxy_for(url)
        session = await self._sessions.through(proxy)
        context = await self._tls(request, url, proxy)
        import aiohttp  # noqa: PLC0415 - loaded with the session
        import yarl  # noqa: PLC0415 - loaded with aiohttp

        dial, read = request.host.dial_timeout, request.read_timeout
        headers = [*request.headers.items(), *(() if foreign else request.own_headers)]
        if not any(name.lower() == "authorization" for name, _ in headers):
            headers += _login_of(url)
        if body is not None:
            headers.append(("Content-Type", _FORM))
        through = proxy if proxy is not None and proxy.scheme not in SOCKS else None
        if through is not None and url.scheme == "http":
            headers += proxy_headers(through).items()
        if through is not None:
            what = f"{what} through the proxy {through.origin}"
        left = ends - asyncio.get_running_loop().time() if ends is not None else None
        with as_transfer_errors(what):
            # No other limit covers a proxy that stops answering.
            async with asyncio.timeout(_shortest(left, 2 * dial + read if read else None)):
                return await session.request(
                    method,
                    yarl.URL(str(url), encoded=True),
                    headers=headers,
                    data=body,
                    timeout=aiohttp.ClientTimeout(
                        total=max(left, 0.001) if left is not None else None, sock_connect=dial, sock_read=read
                    ),
                    ssl=context,
                    proxy=yarl.URL(f"{through.origin}/", encoded=True) if through is not None else None,
                    proxy_headers=proxy_headers(through) if through is not None else None,
                    allow_redirects=False,
                )

    async def _tls(self, request: _Request, url: Url, proxy: Url | None) -> ssl.SSLContext | Literal[True]:
        """Return the TLS settings of a request; a client certificate is only for the host name it is configured for."""
        if url.scheme != "https" and (proxy is None or proxy.scheme != "https"):
            return True
        tls = request.host.tls
        without = replace(tls, client=()) if tls.client else tls
        context = await self._context(tls if url.scheme == "https" and url.host == request.url.host else without)
        if proxy is None or proxy.scheme != "https" or not tls.client or proxy.host == url.host:
            return context
        return context_by_name(proxy.host, await self._context(without), context)

    async def _context(self, tls: Tls) -> ssl.SSLContext:
        known = self._contexts.without_files(tls)
        return known if known is not None else await asyncio.to_thread(self._contexts.of, tls)


def _own_headers(host: Host, headers: Mapping[str, str], authorization: str) -> tuple[tuple[str, str], ...]:
    """Return the extra headers of hosts.toml, and the Authorization, which takes precedence over theirs."""
    ours = {name.lower() for name in headers} | ({"authorization"} if authorization else set())
    added = tuple((name, value) for name, value in host.headers if name.lower() not in ours)
    return (*added, ("Authorization", authorization)) if authorization else added


def _login_of(url: Url) -> list[tuple[str, str]]:
    """Return the Authorization for a login in the URL of a redirect."""
    login = url.login()
    if login is None:
        return []
    return [("Authorization", basic_authorization(*login))]


def _next(url: Url, location: str, what: str) -> Url:
    try:
        return resolve_location(url, location)
    except UrlError as error:
        raise RegistryUnavailableError(f"{what}: is redirected to something that is not a URL: it {error}") from None


def _shortest(*limits: float | None) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)
