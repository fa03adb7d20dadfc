"""A registry that asks for a login in words that no client can do anything with, or whose token server does."""

from __future__ import annotations

import asyncio
import base64
import gzip

import pytest

from containerd_client.distribution.registries.credentials import ANONYMOUS, Credentials
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


async def test_several_scopes(client, server):
    """Each is a parameter of its own by GET, as the protocol says; by POST they are one text."""
    scope = "repository:app:pull repository:base:pull"
    challenge = answer(401, WWW_Authenticate=f'Bearer realm="{server.url}/token?a=b%2F",scope="{scope}"')
    get = "/token?a=b%2F&scope=repository%3Aapp%3Apull&scope=repository%3Abase%3Apull"
    server.answers |= {TAG: [challenge], get: answer(200, b'{"token": "tok"}')}
    server.fallback = lambda got: answer(200, MANIFEST if got.method == "GET" else b"")
    assert await resolved(client, source(server)) == (DIGEST, len(MANIFEST))
    assert get in server.targets
    server.answers |= {TAG: [challenge], "/token?a=b%2F": answer(200, b'{"token": "tok"}')}
    assert await resolved(client, source(server, LOGIN)) == (DIGEST, len(MANIFEST))
    posted = next(got for got in server.got if got.method == "POST")
    assert b"scope=repository%3Aapp%3Apull+repository%3Abase%3Apull" in posted.body


@pytest.mark.parametrize("login", [ANONYMOUS, LOGIN])
async def test_a_login_in_the_address_of_the_token_server(client, server, login):
    """The registry wrote it there for it; the user's own login takes precedence, and there is one of the two only."""
    realm = server.url.replace("//", "//pull%40all:pw@") + "/token"
    server.answers[TAG] = [answer(401, WWW_Authenticate=f'Bearer realm="{realm}"')]

    def respond(got):
        if got.target.startswith("/token"):
            return answer(404) if got.method == "POST" else answer(200, b'{"token": "tok"}')
        return answer(200, MANIFEST if got.method == "GET" else b"")

    server.fallback = respond
    assert await resolved(client, source(server, login)) == (DIGEST, len(MANIFEST))
    got = next(got for got in server.got if got.target.startswith("/token") and got.method == "GET")
    whose = b"jane:geheim" if login else b"pull@all:pw"
    assert got.headers["authorization"] == "Basic " + base64.b64encode(whose).decode()


@pytest.mark.parametrize(("status", "token"), [(400, True), (401, True), (404, True), (405, False), (403, False)])
async def test_an_identity_token_where_post_is_not_supported(client, server, status, token):
    """It is the password of a user without a name then, after the same answers as in containerd."""
    server.answers[TAG] = [answer(401, WWW_Authenticate=f'Bearer realm="{server.url}/token"')]

    def respond(got):
        if got.target.startswith("/token"):
            return answer(status) if got.method == "POST" else answer(200, b'{"token": "tok"}')
        return answer(200, MANIFEST if got.method == "GET" else b"")

    server.fallback = respond
    where = source(server, Credentials(identity_token="idt-geheim"))
    if not token:
        with pytest.raises(UnauthorizedError, match=f"answers {status}") as caught:
            await client.resolve(where)
        assert "geheim" not in str(caught.value)
        return
    assert await resolved(client, where) == (DIGEST, len(MANIFEST))
    got = next(got for got in server.got if got.target.startswith("/token") and got.method == "GET")
    assert got.headers["authorization"] == "Basic " + base64.b64encode(b":idt-geheim").decode()


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
