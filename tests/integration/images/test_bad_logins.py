"""A registry that asks for a login in words that no client can do anything with, or whose token server does."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from containerd_client.distribution.registries.credentials import Credentials
from containerd_client.distribution.values.errors import (
    RegistryUnavailableError,
    UnauthorizedError,
)
from tests.integration.images.raw_registry import (
    DIGEST,
    LOGIN,
    MANIFEST,
    TAG,
    resolved,
    source,
)
from tests.integration.images.raw_server import RawServer, answer


async def test_a_token_that_is_compressed(client, server):
    """It is a token all the same."""
    body = gzip.compress(b'{"token": "tok"}')
    server.answers |= {
        TAG: [answer(401, WWW_Authenticate=f'Bearer realm="{server.url}/token"')],
        "/token?scope=repository%3Aapp%3Apull": answer(200, body, Content_Encoding="gzip"),
    }
    server.fallback = lambda got: answer(200, MANIFEST if got.method == "GET" else b"")
    assert await resolved(client, source(server)) == (DIGEST, len(MANIFEST))
    assert server.got[-1].headers["authorization"] == "Bearer tok"


@pytest.mark.parametrize(
    "realm",
    ["", "nonsense", "/token", "http://", "http://[geheim", "ftp://x/", "http://a..b/", "http://x:99999/", "\udcff"],
)
async def test_realms_that_are_none(client, server, realm):
    """A token server that has no address is named as what it is."""
    server.answers[TAG] = [answer(401, WWW_Authenticate=f'Bearer realm="{realm}",service="x"')] * 5
    with pytest.raises(UnauthorizedError, match=r"not a URL|answers 401") as caught:
        await client.resolve(source(server, LOGIN))
    str(caught.value).encode()


@pytest.mark.parametrize(
    "challenge",
    [
        "\udcff\udcfe",
        "Bearer",
        'Bearer realm="',
        "Bearer " * 10_000,
        "=" * 100_000,
        'Bearer realm="x' + '\\"' * 100_000,
        ",,,",
    ],
)
async def test_challenges_that_are_none(client, server, challenge):
    """The 401 is the answer then."""
    server.answers[TAG] = [answer(401, WWW_Authenticate=challenge)] * 5
    with pytest.raises(UnauthorizedError, match="answers 401"):
        async with asyncio.timeout(10):
            await client.resolve(source(server, LOGIN))


async def test_a_login_for_one_server(client, server):
    """A token server elsewhere gets none that is meant for one server, and the error says so."""
    async with RawServer() as tokens:
        server.fallback = lambda got: answer(401, WWW_Authenticate=f'Bearer realm="{tokens.url}/token"')
        tokens.fallback = lambda got: answer(403)
        login = Credentials(username="jane", password="geheim", server=server.address)
        with pytest.raises(UnauthorizedError, match=f"login is for {server.address} alone"):
            await client.resolve(source(server, login))
        assert [one.method for one in tokens.got] == ["GET"]
        assert "authorization" not in tokens.got[0].headers
        tokens.fallback = lambda got: answer(200, b'{"token": "anonymous"}')
        with pytest.raises(UnauthorizedError, match=f"answers 401 .*login is for {server.address} alone"):
            await client.resolve(source(server, login))
        with pytest.raises(UnauthorizedError):
            await client.resolve(source(server, Credentials(username="jane", password="geheim")))
        assert b"password=geheim" in tokens.got[-1].body


async def test_a_token_server_that_sends_too_much(client, server):
    """An endless token is not read to its end, and one that is compressed to a little is none either."""
    server.answers |= {
        TAG: [answer(401, WWW_Authenticate=f'Bearer realm="{server.url}/token"')] * 5,
        "/token?scope=repository%3Aapp%3Apull": [
            answer(200, bytes(2 << 20)),
            answer(200, gzip.compress(bytes(2 << 20)), Content_Encoding="gzip"),
        ],
    }
    for _ in range(2):
        with pytest.raises(RegistryUnavailableError, match="too many for a token"):
            await client.resolve(source(server))
