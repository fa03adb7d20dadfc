"""Mirrors that are down or busy: one attempt, and then they are passed over for a while."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from containerd_client.distribution.registries.hosts import Host
from containerd_client.distribution.registries.registry import RegistryClient, Source
from containerd_client.distribution.values.errors import ManifestError, NotInRegistryError, RegistryUnavailableError
from containerd_client.distribution.values.manifest import Descriptor
from containerd_client.distribution.values.media_types import ingest_ref
from containerd_client.distribution.values.reference import parse_reference
from cri_shim.errors import FailedPreconditionError
from lab.images import OCI_LAYER_PLAIN, Tree, build_image
from lab.registry import free_port
from tests.fakes.registry import FaultyRegistry
from tests.integration.images.conftest import NAMES, parts_of
from tests.integration.images.raw_server import RawServer, answer

IMAGE = build_image(Tree().file("x", bytes(100_000)).layer(OCI_LAYER_PLAIN))
MANIFEST = Descriptor(IMAGE.media_type, IMAGE.digest, len(IMAGE.manifest))


@pytest.fixture
async def client():
    client = RegistryClient()
    yield client
    await client.close()


@pytest.fixture
def upstream():
    with FaultyRegistry({"app:1": IMAGE}) as registry:
        yield registry


def source(*mirrors, upstream):
    hosts = [Host(f"http://{mirror}/v2", mirror=True) for mirror in mirrors]
    return Source(parse_reference("q.io/app:1"), (*hosts, Host(f"http://{upstream}/v2")))


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_a_busy_mirror_is_not_waited_for(client, upstream, status):
    """Whatever it asks for: the next host is asked at once, by this pull and by the next ones."""
    async with RawServer(fallback=lambda got: answer(status, Retry_After="5")) as mirror:
        async with asyncio.timeout(4):
            where = source(mirror.address, upstream=upstream.address)
            assert (await client.resolve(where)).digest == IMAGE.digest
            assert await client.manifest(where, MANIFEST) == IMAGE.manifest
            again = source(mirror.address, upstream=upstream.address)
            assert (await client.resolve(again)).digest == IMAGE.digest
        assert mirror.connections == 1


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_mirror_that_says_no_is_asked_again(client, upstream, status):
    """These are about one image, and no reason to pass the mirror over."""
    async with RawServer(fallback=lambda got: answer(status)) as mirror:
        for _ in range(2):
            where = source(mirror.address, upstream=upstream.address)
            assert (await client.resolve(where)).digest == IMAGE.digest
        assert mirror.connections >= 2


async def test_a_mirror_that_is_passed_over_still_helps(client, upstream):
    """When the registry itself has nothing to say, the mirror is asked after all, and is as good as before."""
    closed_port = f"127.0.0.1:{free_port()}"
    async with RawServer() as mirror:
        mirror.answers["/v2/app/manifests/1?ns=q.io"] = [answer(503)]
        mirror.fallback = lambda got: answer(
            200,
            IMAGE.manifest if got.method == "GET" else b"",
            Content_Type=IMAGE.media_type,
        )
        assert (await client.resolve(source(mirror.address, upstream=upstream.address))).digest == IMAGE.digest
        assert mirror.connections == 1
        where = source(mirror.address, upstream=closed_port)
        assert (await client.resolve(where)).digest == IMAGE.digest
        before = mirror.connections
        assert (await client.resolve(source(mirror.address, upstream=upstream.address))).digest == IMAGE.digest
        assert mirror.connections > before


async def test_the_registrys_own_answer_decides(client, upstream):
    """A dead mirror beside a registry that has no such image: not found; both are named once."""
    dead = f"127.0.0.1:{free_port()}"
    where = Source(
        parse_reference("q.io/absent:1"),
        (Host(f"http://{dead}/v2", mirror=True), Host(f"http://{upstream.address}/v2")),
    )
    for _ in range(2):
        with pytest.raises(NotInRegistryError, match=f"not found at http://{upstream.address}"):
            await client.resolve(where)
    with pytest.raises(RegistryUnavailableError, match=dead):
        await client.resolve(source(dead, upstream=dead))


async def test_a_mirror_with_a_page_for_everything(client, upstream):
    """Its answer with status 200 is not a manifest, so the next host is tried; without one the error says so."""
    async with RawServer(fallback=lambda got: answer(200, b"<html>", Content_Type="text/html")) as mirror:
        where = source(mirror.address, upstream=upstream.address)
        assert (await client.resolve(where)).digest == IMAGE.digest
        with pytest.raises(ManifestError, match="sends 'text/html', which is not an image manifest or index"):
            await client.resolve(source(upstream=mirror.address))


async def test_a_server_that_is_its_own_mirror(client):
    """As people write it to give it settings; busy for a moment, it is waited for."""
    async with RawServer(fallback=lambda got: answer(200, IMAGE.manifest if got.method == "GET" else b"")) as server:
        server.answers["/v2/app/manifests/1?ns=q.io"] = [answer(503), *[answer(503, Retry_After="0")] * 2]
        assert (await client.resolve(source(server.address, upstream=server.address))).digest == IMAGE.digest


@pytest.mark.root
@pytest.mark.parametrize("fault", ["busy", "blobs", "refused", "cut", "page", "wrong"])
async def test_whole_pulls(containerd, upstream, tmp_path, fault):
    """Manifests, configuration and layers: a mirror in any trouble costs one attempt of each pull at most."""
    image = build_image(*(Tree().file(f"f{n}", os.urandom(5000)).layer(OCI_LAYER_PLAIN) for n in range(3)))
    busy = [(429, {"Retry-After": "86400"})] * 99
    faults: dict[str, dict[str, Any]] = {
        "busy": {"answers": {"/v2/": busy}},
        "blobs": {"answers": {layer.digest: busy for layer in image.layers}},
    }
    if fault == "page":  # a login page in the place of every layer
        faults["page"] = {"lies": {layer.digest: b"<html>" for layer in image.layers}}
    if fault == "wrong":  # other bytes of the same number
        faults["wrong"] = {"lies": {layer.digest: bytes(len(layer.blob)) for layer in image.layers}}
    if fault == "cut":
        faults["cut"] = {"cuts": {layer.digest: [0] * 99 for layer in image.layers}}
    upstream.images = {"app:1": image, "other:1": IMAGE}
    with FaultyRegistry({"app:1": image, "other:1": IMAGE}, **faults.get(fault, {})) as mirror:
        address = f"127.0.0.1:{free_port()}" if fault == "refused" else mirror.address
        (tmp_path / "q.io").mkdir()
        text = f'server = "http://{upstream.address}"\n[host."http://{address}"]\n'
        (tmp_path / "q.io/hosts.toml").write_text(text)
        async with parts_of(containerd, f"test-mirrors-{next(NAMES)}", config_path=str(tmp_path)) as parts:
            async with asyncio.timeout(15):
                assert (await parts.puller.pull("q.io/app:1")).id == image.id
                assert (await parts.puller.pull("q.io/other:1")).id == IMAGE.id
        if fault == "busy":
            assert len(mirror.asked) == 1
        if fault == "blobs":
            assert sum(mirror.count(layer.digest) for layer in image.layers) <= len(image.layers)


@pytest.mark.root
async def test_a_mirror_with_wrong_bytes_and_another_with_the_right_ones(containerd, tmp_path):
    """Only the one that sent them is left out, where the registry itself is away."""
    image = build_image(*(Tree().file(f"f{n}", os.urandom(5000)).layer(OCI_LAYER_PLAIN) for n in range(2)))
    lies = {layer.digest: bytes(len(layer.blob)) for layer in image.layers}
    with FaultyRegistry({"app:1": image}, lies=lies) as wrong, FaultyRegistry({"app:1": image}) as right:
        (tmp_path / "q.io").mkdir()
        text = f'server = "http://127.0.0.1:{free_port()}"\n'
        text += "".join(f'[host."http://{one.address}"]\n' for one in (wrong, right))
        (tmp_path / "q.io/hosts.toml").write_text(text)
        async with parts_of(containerd, f"test-mirrors-{next(NAMES)}", config_path=str(tmp_path)) as parts:
            async with asyncio.timeout(15):
                assert (await parts.puller.pull("q.io/app:1")).id == image.id
        assert all(wrong.count(layer.digest) == right.count(layer.digest) == 1 for layer in image.layers)


@pytest.mark.root
@pytest.mark.parametrize(
    ("status", "words"), [(0, "cannot connect: connection refused"), (404, "not found"), (503, "answers 503")]
)
async def test_wrong_bytes_of_the_registry_and_no_help_of_a_mirror(containerd, tmp_path, status, words):
    """What the registry has sent is the error, and the mirror is not waited for."""
    image = build_image(Tree().file("f", os.urandom(5000)).layer(OCI_LAYER_PLAIN))
    lies = {layer.digest: bytes(len(layer.blob)) for layer in image.layers}
    async with RawServer(fallback=lambda got: answer(status, Retry_After="1")) as mirror:
        address = mirror.address if status else f"127.0.0.1:{free_port()}"
        with FaultyRegistry({"app:1": image}, lies=lies) as wrong:
            (tmp_path / "q.io").mkdir()
            text = f'server = "http://{wrong.address}"\n[host."http://{address}"]\n'
            (tmp_path / "q.io/hosts.toml").write_text(text)
            async with parts_of(containerd, f"test-mirrors-{next(NAMES)}", config_path=str(tmp_path)) as parts:
                expected = rf"is not what the registry sent: .*; from the other hosts: .*{words}"
                with pytest.raises(FailedPreconditionError, match=expected):
                    async with asyncio.timeout(30):
                        await parts.puller.pull("q.io/app:1")
            assert mirror.connections < 10


@pytest.mark.root
async def test_wrong_bytes_of_an_interrupted_pull(containerd, upstream):
    """The registry is not blamed for what was there before: the layer is fetched from the beginning."""
    image = build_image(Tree().file("f", os.urandom(5000)).layer(OCI_LAYER_PLAIN))
    layer = image.layers[0]
    upstream.images = {"app:1": image}
    async with parts_of(containerd, f"test-mirrors-{next(NAMES)}") as parts:
        content = parts.containerd.content
        ref = ingest_ref(layer.media_type, layer.digest)
        async with content.writer(ref, size=len(layer.blob), expected=layer.digest) as writer:
            await writer.write(bytes(1000))
        assert (await parts.puller.pull(f"{upstream.address}/app:1")).id == image.id
    assert [one.offset for one in upstream.asked if layer.digest in one.path] == [1000, 0]
