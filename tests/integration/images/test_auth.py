"""Logins: Basic at a real registry, tokens from a server of the tests' own, and no secret in any text."""

from __future__ import annotations

import asyncio
import base64
import logging
import os

import pytest

from containerd_client.distribution.registries.credentials import Credentials
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import CriError, FailedPreconditionError
from cri_shim.images.auth_config import credentials_of
from lab.images import OCI_LAYER_PLAIN, Tree, build_image, push
from lab.registry import Registry
from tests.fakes.registry import FaultyRegistry
from tests.integration.images.token_server import FakeTokenServer

pytestmark = pytest.mark.root

USER, PASSWORD = "jane", "ganz-geheim:mit-doppelpunkt"
LOGIN = Credentials(username=USER, password=PASSWORD)


def image_of(layers: int = 2):
    return build_image(*(Tree().file(f"f{n}", os.urandom(5000)).layer(OCI_LAYER_PLAIN) for n in range(layers)))


@pytest.fixture(scope="module")
def private(tmp_path_factory):
    """A real registry that wants Basic authentication, and the image in it."""
    directory = tmp_path_factory.mktemp("private")
    image = image_of()
    with Registry.start(directory) as unguarded:
        push(unguarded.address, "secret:1", image)
    with Registry.start(directory, login=(USER, PASSWORD)) as running:
        yield running, image


@pytest.fixture
def tokens():
    with FakeTokenServer({USER: PASSWORD}, refresh=("idt-geheim-1",)) as server:
        yield server


def behind(tokens, image, **options):
    """A registry that accepts any request with a token."""
    return FaultyRegistry({"app:1": image}, guard=tokens.guard, **options)


async def test_basic(parts, private):
    """docker-registry with htpasswd: with the login the image comes, without or with a wrong one nothing does."""
    registry, image = private
    reference = f"{registry.address}/secret:1"
    for wrong in (Credentials(), Credentials(username=USER, password="falsch-geheim")):
        with pytest.raises(FailedPreconditionError, match=f"http://{registry.address} answers 401 for .*wants a login"):
            await parts.puller.pull(reference, credentials=wrong)
    assert await parts.left() == {}
    assert (await parts.puller.pull(reference, credentials=LOGIN)).id == image.id


@pytest.mark.parametrize("form", ["user", "auth", "auth with NUL", "server", "server URL"])
async def test_forms_of_auth_config(parts, private, form):
    """Every form in which the kubelet passes a login on gets in."""
    registry, image = private
    encoded = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    auth = {
        "user": cri.AuthConfig(username=USER, password=PASSWORD),
        "auth": cri.AuthConfig(auth=encoded),
        "auth with NUL": cri.AuthConfig(auth=base64.b64encode(f"{USER}:{PASSWORD}\0\0".encode()).decode()),
        "server": cri.AuthConfig(auth=encoded, server_address=registry.address),
        "server URL": cri.AuthConfig(username=USER, password=PASSWORD, server_address=f"http://{registry.address}/v2/"),
    }[form]
    pulled = await parts.puller.pull(f"{registry.address}/secret:1", credentials=credentials_of(auth))
    assert pulled.id == image.id


async def test_for_another_server(parts, tokens):
    """Credentials for another host are not sent, neither to the registry nor to its token server."""
    elsewhere = Credentials(username=USER, password=PASSWORD, server="other.example")
    with behind(tokens, image_of()) as registry:
        with pytest.raises(FailedPreconditionError, match="answers 401"):
            await parts.puller.pull(f"{registry.address}/app:1", credentials=elsewhere)
    assert all("username" not in asked for _, asked in tokens.asked)
    assert all("Authorization" not in headers for headers in registry.seen)


async def test_anonymous_token(parts):
    """A registry that everybody may read from still wants a token; one is enough for the whole pull."""
    image = image_of(4)
    with FakeTokenServer() as tokens, behind(tokens, image) as registry:
        assert (await parts.puller.pull(f"{registry.address}/app:1")).id == image.id
    assert tokens.asked == [("GET", {"service": "test, registry", "scope": "repository:app:pull"})]


@pytest.mark.parametrize("takes_post", [True, False])
async def test_token_for_a_login(parts, tokens, takes_post):
    """By OAuth 2 where the server takes a POST, by GET with Basic where it does not."""
    tokens.takes_post = takes_post
    image = image_of()
    with behind(tokens, image) as registry:
        assert (await parts.puller.pull(f"{registry.address}/app:1", credentials=LOGIN)).id == image.id
        assert all(headers.get("Authorization", "Bearer").startswith("Bearer") for headers in registry.seen)
    assert [method for method, _ in tokens.asked] == (["POST"] if takes_post else ["POST", "GET"])


async def test_identity_token(parts, tokens):
    """An identity token is a refresh token of the token server."""
    image = image_of()
    with behind(tokens, image) as registry:
        login = credentials_of(cri.AuthConfig(identity_token="idt-geheim-1"))
        assert (await parts.puller.pull(f"{registry.address}/app:1", credentials=login)).id == image.id
    assert tokens.asked[0][1]["grant_type"] == "refresh_token"


async def test_registry_token(parts, tokens):
    """A registry token is sent as it is; a new one is not asked for when it is refused."""
    image = image_of()
    tokens.tokens["regtok-geheim"] = ("repository:app:pull", float("inf"))
    with behind(tokens, image) as registry:
        login = credentials_of(cri.AuthConfig(registry_token="regtok-geheim"))
        assert (await parts.puller.pull(f"{registry.address}/app:1", credentials=login)).id == image.id
        with pytest.raises(FailedPreconditionError, match="answers 401"):
            await parts.puller.pull(f"{registry.address}/app:1", credentials=Credentials(registry_token="alt-geheim"))
    assert tokens.asked == []


async def test_wrong_login(parts, tokens):
    """A token server that refuses is named with its answer; the wrong password is not."""
    with behind(tokens, image_of()) as registry:
        with pytest.raises(FailedPreconditionError, match=rf"token server {tokens.realm} of .* answers 401") as caught:
            wrong = Credentials(username=USER, password="falsch-geheim")
            await parts.puller.pull(f"{registry.address}/app:1", credentials=wrong)
        assert "geheim" not in str(caught.value)
    assert await parts.left() == {}


async def test_token_that_expires_in_mid_pull(parts, tokens):
    """A token that is good for three requests only is renewed as often as it takes."""
    tokens.uses = 3
    image = image_of(8)
    with behind(tokens, image) as registry:
        assert (await parts.puller.pull(f"{registry.address}/app:1", credentials=LOGIN)).id == image.id
        assert all(registry.count(layer.digest) <= 3 for layer in image.layers)
    assert 4 <= len(tokens.asked) <= 8


async def test_token_that_ends_by_its_own_words(parts):
    """A token whose life is over is not sent any more: there is a new one before the registry has to say so."""
    image = image_of(5)  # more than are fetched at the same time
    stalls = {layer.digest: 0.7 for layer in image.layers}
    with FakeTokenServer(life=0.5) as tokens, behind(tokens, image, stalls=stalls) as registry:
        assert (await parts.puller.pull(f"{registry.address}/app:1")).id == image.id
        cut = sum("Authorization" not in headers for headers in registry.seen)
    assert cut == 1
    assert len(tokens.asked) >= 2


async def test_token_that_never_fits(parts, tokens):
    """A registry that refuses every token is left after a few tries."""
    tokens.uses = -1
    tokens.used.clear()
    image = image_of()
    with FaultyRegistry({"app:1": image}, guard=lambda headers, path: tokens.guard({}, path)) as registry:
        with pytest.raises(FailedPreconditionError, match="answers 401"):
            await parts.puller.pull(f"{registry.address}/app:1", credentials=LOGIN)
        assert len(registry.asked) <= 6


async def test_busy_token_server(parts, tokens):
    """429 and 503 of the token server are waited for like the registry's."""
    tokens.answers = [(429, {"Retry-After": "0"}), (503, {})]
    image = image_of()
    with behind(tokens, image) as registry:
        assert (await parts.puller.pull(f"{registry.address}/app:1", credentials=LOGIN)).id == image.id


async def test_other_logins_do_not_share(parts, tokens):
    """Two pulls at once of one image with different logins are two pulls: the wrong one fails alone."""
    image = image_of()
    with behind(tokens, image, stalls={image.layers[0].digest: 0.5}) as registry:
        outcomes = await asyncio.gather(
            parts.puller.pull(f"{registry.address}/app:1", credentials=LOGIN),
            parts.puller.pull(f"{registry.address}/app:1", credentials=Credentials(username=USER, password="falsch")),
            parts.puller.pull(f"{registry.address}/app:1", credentials=LOGIN),
            return_exceptions=True,
        )
        assert registry.count(image.layers[0].digest) == 1
    assert [getattr(one, "id", None) for one in outcomes] == [image.id, None, image.id]


async def test_redirected_blobs_do_not_carry_the_login(parts, tokens):
    """A blob that lies elsewhere is asked for there without our token, and its signed address shows nowhere."""
    image = image_of(1)
    layer = image.layers[0].digest
    with FaultyRegistry({"app:1": image}) as store, behind(tokens, image) as registry:
        registry.redirects[layer] = f"http://{store.address}/v2/app/blobs/{layer}?signature=geheim"
        assert (await parts.puller.pull(f"{registry.address}/app:1", credentials=LOGIN)).id == image.id
        assert [one.path for one in store.asked] == [f"/v2/app/blobs/{layer}"]
        assert "Authorization" not in store.seen[0]


async def test_no_secret_in_any_text(parts, tokens, capfd, caplog):
    """Neither passwords nor tokens nor signed addresses are in a log or an error, whatever goes wrong."""
    caplog.set_level(logging.DEBUG)
    image = image_of(1)
    layer = image.layers[0].digest
    texts = []

    async def fails(registry, login=LOGIN):
        try:
            await parts.puller.pull(f"{registry.address}/app:1", credentials=login)
        except CriError as error:
            texts.append(str(error))
            cause = error.__cause__
            while cause is not None:
                texts.append(repr(cause))
                cause = cause.__cause__
        else:
            raise AssertionError("it was to fail")

    with behind(tokens, image) as registry:
        registry.redirects[layer] = "http://127.0.0.1:1/x?signature=geheim"
        await fails(registry)
        registry.redirects[layer] = "http://[geheim/x"
        await fails(registry)
        registry.redirects.clear()
        registry.answers["blobs"] = [(418, {"X": "y"})]
        registry.echo = True
        await fails(registry)
        await fails(registry, Credentials(username=USER, password="falsch-geheim"))
        await fails(registry, Credentials(identity_token="falsch-geheim"))
        await fails(registry, Credentials(registry_token="falsch-geheim"))
    assert len(texts) >= 6
    out = capfd.readouterr()
    everything = "\n".join([*texts, out.out, out.err, caplog.text, repr(LOGIN)])
    assert "418" in everything
    for secret in ("geheim", PASSWORD, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()):
        assert secret not in everything
