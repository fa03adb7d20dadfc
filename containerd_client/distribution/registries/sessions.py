"""Hold aiohttp's sessions: one for all requests, and one for each SOCKS proxy.

aiohttp is imported at the first request, so a daemon whose images all exist already never loads it.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
from typing import TYPE_CHECKING, Any

from containerd_client.distribution.registries.credentials import basic_authorization
from containerd_client.distribution.registries.library_contexts import drop_library_contexts
from containerd_client.distribution.values.errors import ProxyConfigError

if TYPE_CHECKING:
    import aiohttp

    from containerd_client.distribution.values.urls import Url

BUFFER = 1 << 18
"""Buffer in bytes; when a connection breaks, aiohttp drops up to twice as much, which is then requested again."""
SOCKS = frozenset({"socks5", "socks5h"})


class Sessions:
    """The sessions that are open."""

    def __init__(self, user_agent: str) -> None:
        self._user_agent = user_agent
        self._sessions: dict[Url | None, aiohttp.ClientSession] = {}

    async def close(self) -> None:
        """Close all connections."""
        sessions = [*self._sessions.values()]
        self._sessions.clear()
        for session in sessions:
            await session.close()

    async def through(self, proxy: Url | None) -> aiohttp.ClientSession:
        """Return the session for a proxy; raises :class:`ProxyConfigError` if the library for SOCKS is missing."""
        through = proxy if proxy is not None and proxy.scheme in SOCKS else None
        if through not in self._sessions:
            # The import costs 7 MiB that only pulls need. It runs in a thread because it takes a tenth of a second.
            await asyncio.to_thread(importlib.import_module, "aiohttp")
            connector = await _socks_connector(through) if through is not None else None
            if through not in self._sessions:  # another request may have opened it during the import
                self._sessions[through] = self._opened(connector)
        return self._sessions[through]

    def _opened(self, connector: aiohttp.BaseConnector | None) -> aiohttp.ClientSession:
        import aiohttp  # noqa: PLC0415 - the caller has just loaded it

        from containerd_client.distribution.registries.bounded_response import (  # noqa: PLC0415 - it imports aiohttp
            BoundedResponseHandler,
        )

        drop_library_contexts()
        connector = connector or aiohttp.TCPConnector()
        # The library has no other way to say how responses are read.
        factory: Any = functools.partial(BoundedResponseHandler, loop=asyncio.get_running_loop())
        connector._factory = factory  # noqa: SLF001
        return aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=None),
            read_bufsize=BUFFER,
            # Cookies of one user must not be sent for another.
            cookie_jar=aiohttp.DummyCookieJar(),
        )


async def _socks_connector(proxy: Url) -> aiohttp.BaseConnector:
    try:
        library = await asyncio.to_thread(importlib.import_module, "aiohttp_socks")
    except ImportError as error:
        raise ProxyConfigError(
            f"the environment names the SOCKS proxy {proxy.origin}, for which the Python package aiohttp-socks is "
            f"missing; install the extra: pip install '.[socks]' in a checkout ({error})"
        ) from None
    login = proxy.login()
    connector: aiohttp.BaseConnector = library.ProxyConnector(
        host=proxy.host,
        port=proxy.port,
        proxy_type=library.ProxyType.SOCKS5,
        username=login[0].decode(errors="replace") if login else None,
        password=login[1].decode(errors="replace") if login else None,
        rdns=True,  # the proxy resolves the name, as Go does for both schemes
    )
    return connector


def proxy_headers(proxy: Url) -> dict[str, str]:
    """Return the headers with the login for an HTTP proxy."""
    login = proxy.login()
    if login is None:
        return {}
    return {"Proxy-Authorization": basic_authorization(*login)}
