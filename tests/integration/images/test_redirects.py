"""Redirects: followed byte for byte, and everything about a request decided anew at each hop."""

from __future__ import annotations

import hashlib
from contextlib import AsyncExitStack

import pytest

from containerd_client.distribution.registries.credentials import Credentials
from containerd_client.distribution.registries.hosts import Host
from containerd_client.distribution.registries.registry import Source
from containerd_client.distribution.values.errors import (
    DistributionError,
    NotInRegistryError,
    RegistryUnavailableError,
    UnauthorizedError,
)
from containerd_client.distribution.values.manifest import Descriptor
from containerd_client.distribution.values.reference import parse_reference
from tests.integration.images.raw_server import RawServer, answer, redirect

DATA = b"the layer"
DIGEST = "sha256:" + hashlib.sha256(DATA).hexdigest()
BLOB = Descriptor("application/vnd.oci.image.layer.v1.tar", DIGEST, len(DATA))
PATH = f"/v2/app/blobs/{DIGEST}"
LOGIN = Credentials(username="jane", password="geheim")
SECRETS = ("geheim", "amFuZTpnZWhlaW0=")


@pytest.fixture
async def servers():
    """Two servers: a registry and a storage."""
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(RawServer()), await stack.enter_async_context(RawServer())


def source(registry, credentials=LOGIN, **host):
    return Source(parse_reference(f"{registry.address}/app:1"), (Host(f"{registry.url}/v2", **host),), credentials)


async def read(client, where):
    async with client.blob(where, BLOB) as body:
        return b"".join([chunk async for chunk in body.chunks])


@pytest.mark.parametrize(
    "target",
    [
        "/a%2Fb%3Ac?X-Amz-Signature=a%2Fb%3a%7E&x=1+2%203",
        "/a/./b/../c//d?&&a==b&",
        "/a%zz?%",
        "/~user/%7euser/;p=1;q,r'(x)!*$@",
        "/a?b?c/../d",
    ],
)
async def test_byte_for_byte(client, servers, target):
    """The address of a signed link reaches the storage as it was written."""
    registry, storage = servers
    registry.answers[PATH] = redirect(f"{storage.url}{target}#fragment")
    storage.answers[target] = answer(200, DATA)
    assert await read(client, source(registry)) == DATA
    assert storage.targets == [target]


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/other%2Fplace?q=%3A", "/other%2Fplace?q=%3A"),
        ("other%2Fplace", "/v2/app/blobs/other%2Fplace"),
        ("../../x%2F..%2Fy", "/v2/x%2F..%2Fy"),
        ("?sig=%2f", f"{PATH}?sig=%2f"),
        ("/a b/ä?c d", "/a%20b/%C3%A4?c%20d"),
    ],
)
async def test_relative(client, servers, location, target):
    """A relative address is taken from where the redirect came from; only what no request can hold is encoded."""
    registry, _ = servers
    registry.answers |= {PATH: redirect(location), target: answer(200, DATA)}
    assert await read(client, source(registry)) == DATA
    assert registry.targets[-1] == target


async def test_without_scheme(client, servers):
    """``//host/path`` keeps the scheme."""
    registry, storage = servers
    registry.answers[PATH] = redirect(f"//{storage.address}/x%2F")
    storage.answers["/x%2F"] = answer(200, DATA)
    assert await read(client, source(registry)) == DATA


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_what_is_one_servers_own_goes_to_no_other(client, servers, status):
    """Neither Authorization nor hosts.toml's headers nor cookies; a way back to the first server has them again."""
    registry, storage = servers
    headers = (("X-Secret", "geheim"), ("Cookie", "geheim=1"), ("Authorization", "geheim"))
    there, back = f"{storage.url}/there?sig=1", f"{registry.url}/back"
    registry.answers |= {
        PATH: [
            answer(401, WWW_Authenticate='Basic realm="x"', Set_Cookie="geheim=1"),
            redirect(there, status, Set_Cookie="geheim=1"),
        ],
        "/back": answer(200, DATA),
    }
    storage.answers["/there?sig=1"] = redirect(back)
    assert await read(client, source(registry, headers=headers)) == DATA
    assert "geheim" not in str(storage.got)
    assert storage.got[0].headers["accept-encoding"] == "identity"
    assert registry.got[0].headers["authorization"] == "geheim"
    assert registry.got[-1].headers["authorization"] == "Basic amFuZTpnZWhlaW0="
    assert registry.got[-1].headers["x-secret"] == "geheim"


async def test_another_port_of_the_same_host_is_another_server(client, servers):
    """As is another scheme, and a name for the same address."""
    registry, storage = servers
    port = storage.address.rpartition(":")[2]
    registry.answers[PATH] = [answer(401, WWW_Authenticate="Basic"), redirect(f"http://localhost:{port}/x")]
    storage.answers["/x"] = answer(200, DATA)
    assert await read(client, source(registry)) == DATA
    assert "authorization" not in storage.got[0].headers


async def test_a_challenge_of_another_server_is_not_answered(client, servers):
    """A storage that wants a login does not get the registry's, nor does a token server that it names."""
    registry, storage = servers
    registry.answers[PATH] = [redirect(f"{storage.url}/x")] * 5
    storage.answers["/x"] = [answer(401, WWW_Authenticate=f'Basic, Bearer realm="{storage.url}/token"')] * 5
    with pytest.raises(UnauthorizedError, match=f"{storage.url} answers 401 .*redirected there"):
        await read(client, source(registry))
    assert storage.targets == ["/x"]
    assert "authorization" not in str([one.headers for one in storage.got])


@pytest.mark.parametrize("status", [307, 308])
async def test_a_form_with_a_password_is_not_sent_on(client, servers, status):
    """A token server that redirects a POST to another server is refused; within itself it is followed."""
    registry, tokens = servers
    challenge = f'Bearer realm="{tokens.url}/token"'
    registry.answers[PATH] = [answer(401, WWW_Authenticate=challenge)] * 5
    tokens.answers["/token"] = [redirect(f"{registry.url}/steal", status)]
    with pytest.raises(UnauthorizedError, match=f"login is redirected to another server, {registry.url}"):
        await read(client, source(registry))
    assert "/steal" not in registry.targets
    tokens.answers |= {
        "/token": [redirect("/there", status)],
        "/there": answer(200, b'{"access_token": "tok"}'),
    }
    registry.answers[PATH] = [answer(401, WWW_Authenticate=challenge), answer(200, DATA)]
    assert await read(client, source(registry)) == DATA
    assert b"password=geheim" in tokens.got[-1].body
    assert registry.got[-1].headers["authorization"] == "Bearer tok"


async def test_a_form_becomes_a_get_without_it(client, servers):
    """302 after a POST is a GET, as in Go, and that shows nothing to another server."""
    registry, tokens = servers
    registry.answers |= {
        PATH: [answer(401, WWW_Authenticate=f'Bearer realm="{tokens.url}/token"'), answer(200, DATA)],
        "/anonymous": answer(200, b'{"token": "tok"}'),
    }
    tokens.answers["/token"] = redirect(f"{registry.url}/anonymous", 302)
    assert await read(client, source(registry)) == DATA
    request = next(one for one in registry.got if one.target == "/anonymous")
    assert (request.method, request.body) == ("GET", b"")
    assert not any(secret in str(request) for secret in SECRETS)


async def test_the_body_of_a_strangers_error_is_not_shown(client, servers):
    """It may quote the signed address; the registry's own words are shown."""
    registry, storage = servers
    registry.answers[PATH] = [redirect(f"{storage.url}/x?sig=geheim"), answer(418, b"own words \xff\x00 of it")]
    storage.answers["/x?sig=geheim"] = answer(418, b"no such link: /x?sig=geheim")
    with pytest.raises(RegistryUnavailableError) as caught:
        await read(client, source(registry))
    assert "418" in str(caught.value)
    assert "geheim" not in str(caught.value)
    assert "no such link" not in str(caught.value)
    with pytest.raises(RegistryUnavailableError, match="own words"):
        await read(client, source(registry))


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("http://" + "a" * 64 + ".example/x", "invalid host"),
        ("http://" + "a." * 127 + "example/x", "invalid host"),
        ("http:///x", "names no host"),
        ("http://a..b/x", "invalid host"),
        ("http://exa mple/x", "invalid host"),
        ("http://exa%41mple/x", "invalid host"),
        ("http://\ufffd\u200d.example/x", "invalid host"),
        ("http://xn--\udcff/x", "invalid host"),
        ("http://[::1/x", "invalid"),
        ("http://[::1]x/x", "invalid"),
        ("http://r.io:99999/x", "invalid"),
        ("http://r.io:x/x", "invalid"),
        ("http://r.io:0/x", "port 0"),
        ("ftp://r.io/x", "has a scheme other"),
        ("file:///etc/passwd", "has a scheme other"),
        ("javascript:alert(1)", "has no scheme and host"),
        ("http:x", "has no scheme and host"),
        ("http://r.io/\x01", "control character"),
    ],
)
async def test_addresses_that_are_none(client, servers, location, said):
    """They end in a sentence that shows nothing of what may be signed."""
    registry, _ = servers
    registry.answers[PATH] = [redirect(f"{location}?sig=geheim")] * 2
    with pytest.raises(DistributionError) as caught:
        await read(client, source(registry))
    assert "geheim" not in str(caught.value)
    assert said in str(caught.value) or "\x01" in location  # which the parser of headers refuses before
    str(caught.value).encode()


async def test_ten_hops_and_no_more(client, servers):
    """As many as Go follows; a loop ends there too."""
    registry, storage = servers
    registry.answers |= {PATH: redirect("/1")} | {f"/{n}": redirect(f"/{n + 1}") for n in range(1, 10)}
    registry.answers["/10"] = answer(200, DATA)
    assert await read(client, source(registry)) == DATA
    registry.answers |= {"/10": redirect("/11"), "/11": answer(200, DATA)}
    with pytest.raises(RegistryUnavailableError, match="more than 10 redirects"):
        await read(client, source(registry))
    registry.answers[PATH] = redirect(f"{storage.url}/round")
    storage.answers["/round"] = redirect(f"{registry.url}{PATH}")
    with pytest.raises(RegistryUnavailableError, match="more than 10 redirects"):
        await read(client, source(registry))


@pytest.mark.parametrize("head", [answer(302), answer(300, Location="/x"), answer(304), answer(305, Location="/x")])
async def test_redirects_that_lead_nowhere(client, servers, head):
    """A redirect without address, or of a kind that is not followed, is an answer like any other."""
    registry, _ = servers
    registry.answers[PATH] = head
    with pytest.raises(RegistryUnavailableError, match="answers 30"):
        await read(client, source(registry))


async def test_not_found_behind_a_redirect(client, servers):
    """404 is 404, and names who said it."""
    registry, storage = servers
    registry.answers[PATH] = redirect(f"{storage.url}/x?sig=geheim")
    with pytest.raises(NotInRegistryError, match=f"not found at {storage.url}$"):
        await read(client, source(registry))


async def test_a_login_in_an_address(client, servers):
    """Go sends what stands before the host of a redirect there; it shows in no error."""
    registry, storage = servers
    registry.answers[PATH] = [redirect(f"http://me:geheim%21@{storage.address}/x")] * 2
    storage.answers["/x"] = [answer(200, DATA)]
    assert await read(client, source(registry)) == DATA
    assert storage.got[0].headers["authorization"] == "Basic bWU6Z2VoZWltIQ=="
    with pytest.raises(DistributionError) as caught:
        await read(client, source(registry))
    assert "geheim" not in str(caught.value)
