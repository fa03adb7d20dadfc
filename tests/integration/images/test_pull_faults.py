"""Pulls from a registry that misbehaves, into a real containerd: what is cut goes on, what is wrong leaves nothing."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random

import pytest

from containerd_client import call_options
from containerd_client.distribution.registries import large_body
from containerd_client.distribution.registries.credentials import Credentials
from cri_shim.errors import CriError, DeadlineExceededError, FailedPreconditionError
from lab.images import (
    OCI_CONFIG,
    OCI_LAYER_GZIP,
    OCI_LAYER_PLAIN,
    Layer,
    Tree,
    build_image,
    busybox_layer,
    digest_of,
    with_manifest,
)
from tests.fakes.registry import FaultyRegistry
from tests.integration.images.conftest import parts_of

pytestmark = pytest.mark.root


@pytest.fixture(autouse=True, params=["the library reads", "read past the library"])
def way_of_reading(request, monkeypatch):
    """Every fault, with a body that the HTTP library reads, and with one that is read past it as large ones are."""
    if request.param == "read past the library":
        monkeypatch.setattr(large_body, "LARGE", 1)


OCI_EMPTY = "application/vnd.oci.empty.v1+json"


def image_of(size: int, layers: int = 1):
    """An image of random layers, which no other test has."""
    return build_image(*(Tree().file(f"f{n}", os.urandom(size)).layer(OCI_LAYER_PLAIN) for n in range(layers)))


async def until(condition, seconds: float = 5):
    """Wait until a condition holds; fail when it does not in time."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("ignore_ranges", [False, True])
async def test_cut_connections_are_resumed(parts, ignore_ranges):
    """A layer that is cut off four times arrives whole; each time it goes on near where it broke."""
    image = image_of(3_000_000)
    layer = image.layers[0].digest
    with FaultyRegistry({"cut:1": image}, cuts={layer: [1, 500_000, 1_200_000, 0]}) as faulty:
        faulty.ignore_ranges = ignore_ranges
        pulled = await parts.puller.pull(f"{faulty.address}/cut:1")
        assert pulled.id == image.id
        offsets = [one.offset for one in faulty.asked if layer in one.path]
    assert len(offsets) == 5
    assert offsets == sorted(offsets)
    assert offsets[2] >= 300_000
    assert (await parts.containerd.content.info(layer)).size == len(image.layers[0].blob)


async def test_no_lengths(parts):
    """A registry that announces no lengths (chunks until the end) is as good, and its cuts are noticed."""
    image = image_of(2_000_000)
    with FaultyRegistry({"len:1": image}, cuts={image.layers[0].digest: [900_000]}) as faulty:
        faulty.no_lengths = True
        assert (await parts.puller.pull(f"{faulty.address}/len:1")).id == image.id


async def test_wrong_digest(parts):
    """A layer with the right length and other bytes is refused, and nothing of it stays."""
    image = image_of(100_000, layers=2)
    layer = image.layers[1]
    with FaultyRegistry({"lie:1": image}, lies={layer.digest: bytes(len(layer.blob))}) as faulty:
        with pytest.raises(FailedPreconditionError, match=rf"blob {layer.digest} is not what the registry sent"):
            await parts.puller.pull(f"{faulty.address}/lie:1")
    assert await parts.left() == {}


@pytest.mark.parametrize("change", [-1, 1])
async def test_wrong_size(parts, change):
    """A layer that is shorter or longer than the manifest says is refused, and nothing of it stays."""
    image = image_of(100_000)
    layer = image.layers[0]
    lie = layer.blob[:-1] if change < 0 else layer.blob + b"x"
    for no_lengths in (False, True):
        with FaultyRegistry({"size:1": image}, lies={layer.digest: lie}) as faulty:
            faulty.no_lengths = no_lengths
            with pytest.raises(FailedPreconditionError, match=layer.digest):
                await parts.puller.pull(f"{faulty.address}/size:1")
        assert await parts.left() == {}


async def test_wrong_config(parts):
    """A configuration with other bytes is refused."""
    image = image_of(10)
    with FaultyRegistry({"config:1": image}, lies={image.id: image.config.replace(b"linux", b"LINUX")}) as faulty:
        with pytest.raises(FailedPreconditionError, match="another digest"):
            await parts.puller.pull(f"{faulty.address}/config:1")
    assert await parts.left() == {}


async def test_layer_that_extracts_to_something_else(parts):
    """The configuration's diff id is held against what containerd extracted."""
    image = image_of(10)
    other = "sha256:" + "0" * 64
    config = image.config.replace(image.layers[0].diff_id.encode(), other.encode())
    lying = with_manifest(
        type(image)(image.layers, config, image.manifest),
        {
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest_of(config),
                "size": len(config),
            }
        },
    )
    with FaultyRegistry({"diff:1": lying}) as faulty:
        with pytest.raises(
            FailedPreconditionError, match=f"extracts to {image.layers[0].diff_id}, its configuration says {other}"
        ):
            await parts.puller.pull(f"{faulty.address}/diff:1")
    assert await parts.left() == {}


async def test_layer_that_is_no_archive(parts):
    """What containerd cannot extract fails with containerd's words, and leaves nothing."""
    good = image_of(10)
    junk = os.urandom(10_000)
    layer = type(good.layers[0])(junk, "application/vnd.oci.image.layer.v1.tar+gzip", good.layers[0].diff_id)
    with FaultyRegistry({"junk:1": build_image(layer)}) as faulty:
        with pytest.raises(Exception, match=r"Diff/Apply|extract"):
            await parts.puller.pull(f"{faulty.address}/junk:1")
    assert await parts.left() == {}


async def test_fewer_layers_than_promised(parts):
    """A manifest and a configuration that disagree on the number of layers are refused."""
    image = image_of(10, layers=2)
    short = with_manifest(image, {"layers": []})
    with FaultyRegistry({"few:1": short}) as faulty:
        with pytest.raises(FailedPreconditionError, match="lists 0 layers, the configuration 2"):
            await parts.puller.pull(f"{faulty.address}/few:1")
    assert await parts.left() == {}


@pytest.mark.parametrize("config_type", ["application/vnd.cncf.helm.config.v1+json", OCI_CONFIG, OCI_EMPTY])
async def test_something_that_is_no_image(parts, config_type):
    """A chart or another artifact is named as what it is, and leaves nothing."""
    image = image_of(10)
    artifact = build_image(
        type(image.layers[0])(b"x", "application/vnd.cncf.helm.chart.content.v1.tar+gzip", digest_of(b"x"))
    )
    config = json.loads(artifact.manifest)["config"] | {"mediaType": config_type}
    with FaultyRegistry({"chart:1": with_manifest(artifact, {"config": config})}) as faulty:
        with pytest.raises(FailedPreconditionError, match=r"not a container image .*vnd\.cncf\.helm\.chart"):
            await parts.puller.pull(f"{faulty.address}/chart:1")
    assert await parts.left() == {}


async def test_a_manifest_without_layers(parts):
    """``null`` is an empty list, as Go writes it: an image of nothing but its configuration."""
    image = with_manifest(build_image(), {"layers": None})
    with FaultyRegistry({"null:1": image}) as faulty:
        pulled = await parts.puller.pull(f"{faulty.address}/null:1")
    assert (pulled.id, pulled.chain_id) == (image.id, "")


@pytest.mark.parametrize("elsewhere", ["has it", "is cut", "lacks it", "is no URL"])
async def test_a_layer_that_lies_elsewhere(parts, elsewhere):
    """The places that a descriptor names come first, without the registry's login, and the registry comes last."""
    image = image_of(300_000)
    layer = image.layers[0]
    with FaultyRegistry({"other:1": image}) as other, FaultyRegistry({}) as registry:
        if elsewhere == "is cut":
            other.cuts = {layer.digest: [1000]}
        urls = ["ftp://x/y", f"http://{other.address}/v2/other/blobs/{layer.digest}?sig=%2F"]
        if elsewhere == "lacks it":
            urls = [f"http://{other.address}/absent"]
        elif elsewhere == "is no URL":
            urls = ["http://[/", "http://", "https://exa mple/"]
        layers = json.loads(image.manifest)["layers"]
        registry.images = {"foreign:1": with_manifest(image, {"layers": [layers[0] | {"urls": urls}]})}
        pulled = await parts.puller.pull(
            f"{registry.address}/foreign:1", credentials=Credentials(username="jane", password="geheim")
        )
        assert (pulled.id, pulled.chain_id) == (image.id, image.chain_id)
        assert registry.count(layer.digest) == (0 if elsewhere == "has it" else 1)
        assert not [headers for headers in other.seen if "Authorization" in headers]


async def test_login_wanted(parts):
    """A registry that wants a login is named, not retried."""
    with FaultyRegistry({}, answers={"manifests": [(401, {"WWW-Authenticate": 'Basic realm="x"'})] * 9}) as faulty:
        with pytest.raises(FailedPreconditionError, match=rf"http://{faulty.address} answers 401 for .*wants a login"):
            await parts.puller.pull(f"{faulty.address}/private:1")
        assert len(faulty.asked) == 2


async def test_cuts_at_random_places(parts):
    """Wherever connections break, again and again, on several layers at once: the image is whole."""
    rng = random.Random(5)
    image = image_of(700_000, layers=4)
    cuts = {layer.digest: [rng.randrange(len(layer.blob)) for _ in range(6)] for layer in image.layers}
    with FaultyRegistry({"random:1": image}, cuts=cuts) as faulty:
        assert (await parts.puller.pull(f"{faulty.address}/random:1")).id == image.id
    assert (await parts.left()).keys() == {"images", "content", "snapshots"}


async def test_truncated_manifest(parts):
    """A manifest that ends in the middle is refused by its length, and JSON that is none by its name."""
    image = image_of(10)
    with FaultyRegistry({"short:1": image}, lies={image.digest: image.manifest[:40]}) as faulty:
        with pytest.raises(CriError, match=image.digest):
            await parts.puller.pull(f"{faulty.address}/short:1")
    broken = with_manifest(image, {})
    broken = type(image)(image.layers, image.config, broken.manifest[:40])
    with FaultyRegistry({"json:1": broken}) as faulty:
        with pytest.raises(FailedPreconditionError, match="not JSON"):
            await parts.puller.pull(f"{faulty.address}/json:1")
    assert await parts.left() == {}


async def test_cancelled_pull_leaves_nothing(parts):
    """A pull whose only client hangs up is over: no lease, no ingest, no blob, no snapshot, no record."""
    image = image_of(1_000_000, layers=3)
    stalls = {layer.digest: 30.0 for layer in image.layers[1:]}
    with FaultyRegistry({"cancel:1": image}, stalls=stalls) as faulty:
        pull = asyncio.create_task(parts.puller.pull(f"{faulty.address}/cancel:1"))
        await until(lambda: all(faulty.count(layer.digest) for layer in image.layers))
        await asyncio.sleep(0.2)
        assert await parts.containerd.content.list_statuses()
        pull.cancel()
        await asyncio.wait([pull])
        assert pull.cancelled()
        assert await parts.containerd.leases.list() == []
        assert await parts.containerd.content.list_statuses() == []
        assert await parts.left() == {}


async def test_the_remains_of_a_cancelled_pull_are_collected_under_the_next(parts):
    """A snapshot that a cancelled pull has left is held by the next pull before it is built upon."""
    image = image_of(1000, layers=2)
    with FaultyRegistry({"again:1": image}, stalls={image.layers[1].digest: 1.0}) as faulty:
        other = await parts.containerd.leases.create("cut-off")
        first = asyncio.create_task(parts.puller.pull(f"{faulty.address}/again:1"))
        await until(lambda: faulty.count(image.layers[1].digest))
        await asyncio.sleep(0.3)
        lower = image.layers[0].diff_id
        await parts.containerd.leases.add_resource(other.id, lower, "snapshots/overlayfs")
        first.cancel()
        await asyncio.wait([first])
        second = asyncio.create_task(parts.puller.pull(f"{faulty.address}/again:1"))
        await asyncio.sleep(0.5)  # it has found the lower snapshot, and waits for the upper layer
        await parts.containerd.leases.delete(other.id, sync=True)
        assert (await second).id == image.id


async def test_one_of_two_clients_hangs_up(parts):
    """The pull goes on for the other client."""
    image = image_of(100_000)
    with FaultyRegistry({"two:1": image}, stalls={image.layers[0].digest: 0.5}) as faulty:
        first = asyncio.create_task(parts.puller.pull(f"{faulty.address}/two:1"))
        await until(lambda: faulty.count(image.layers[0].digest))
        second = asyncio.create_task(parts.puller.pull(f"{faulty.address}/two:1"))
        await asyncio.sleep(0.1)
        first.cancel()
        assert (await second).id == image.id
        assert first.cancelled()
        assert faulty.count(image.layers[0].digest) == 1


async def test_one_image_fails_and_another_shares_its_layer(parts):
    """A shared layer that was being fetched for a pull that is cancelled is fetched for the other one."""
    shared = Tree().file("shared", os.urandom(500_000)).layer(OCI_LAYER_PLAIN)
    one, two = (build_image(shared, Tree().file(f"own{n}", os.urandom(10)).layer(OCI_LAYER_PLAIN)) for n in range(2))
    with FaultyRegistry({"one:1": one, "two:1": two}, stalls={shared.digest: 0.5}) as faulty:
        first = asyncio.create_task(parts.puller.pull(f"{faulty.address}/one:1"))
        await until(lambda: faulty.count(shared.digest))
        second = asyncio.create_task(parts.puller.pull(f"{faulty.address}/two:1"))
        await until(lambda: faulty.count(two.layers[1].digest))
        first.cancel()
        assert (await second).id == two.id
    assert len((await parts.left())["content"]) == 4


async def test_another_client_writes_the_same_blob(parts):
    """An ingest that another client of containerd holds is waited for, and its blob used."""
    image = image_of(100_000)
    layer = image.layers[0]
    with FaultyRegistry({"locked:1": image}) as faulty:
        async with parts.containerd.content.writer(
            f"layer-{layer.digest}", size=len(layer.blob), expected=layer.digest
        ) as other:
            await other.write(layer.blob[:500])
            pull = asyncio.create_task(parts.puller.pull(f"{faulty.address}/locked:1"))
            await asyncio.sleep(0.5)
            assert not pull.done()
            await other.write(layer.blob[500:])
            await other.commit(len(layer.blob), layer.digest)
        assert (await pull).id == image.id
        assert faulty.count(layer.digest) == 0


async def test_another_client_holds_a_blob_and_does_nothing(containerd):
    """An ingest that is held without progress ends the pull after the progress timeout; the other client keeps it."""
    image = image_of(1000)
    layer = image.layers[0]
    async with parts_of(containerd, "test-held", progress_timeout=0.6) as parts:
        ref = f"layer-{layer.digest}"
        async with parts.containerd.content.writer(ref, size=len(layer.blob), expected=layer.digest) as other:
            with FaultyRegistry({"held:1": image}) as faulty:
                with pytest.raises(DeadlineExceededError, match="another client of containerd holds it"):
                    await parts.puller.pull(f"{faulty.address}/held:1")
            await other.write(layer.blob)
            await other.commit(len(layer.blob), layer.digest)
        assert await parts.left() == {}


async def test_the_collector_runs_in_the_middle(parts):
    """What a pull has already brought is held by its lease while the rest is on the way."""
    image = image_of(10_000, layers=3)
    with FaultyRegistry({"gc:1": image}, stalls={image.layers[2].digest: 0.8}) as faulty:
        pull = asyncio.create_task(parts.puller.pull(f"{faulty.address}/gc:1"))
        await until(lambda: faulty.count(image.layers[2].digest))
        await asyncio.sleep(0.3)
        await parts.collect()
        assert len(await parts.containerd.snapshots("overlayfs").list()) == 2
        assert (await pull).id == image.id
        assert [faulty.count(layer.digest) for layer in image.layers] == [1, 1, 1]
    left = await parts.left()
    assert (len(left["content"]), len(left["snapshots"])) == (5, 3)


async def test_an_unreferenced_blob_is_adopted(parts):
    """A blob that happens to be there, held by nothing, is used, put under the lease and kept by the image."""
    image = image_of(10_000)
    layer = image.layers[0]
    await parts.containerd.leases.create("other")
    with call_options(lease="other"):
        await parts.containerd.content.write_blob("other", layer.blob, layer.digest)
    with FaultyRegistry({"adopt:1": image}, stalls={image.id: 0.5}) as faulty:
        await parts.puller.pull(f"{faulty.address}/adopt:1")
        assert faulty.count(layer.digest) == 0
    await parts.containerd.leases.delete("other", sync=True)
    assert layer.digest in (await parts.left())["content"]


@pytest.mark.parametrize("blob", [b"no archive at all" * 99, busybox_layer().blob[:5000]])
async def test_a_layer_that_cannot_be_extracted(parts, blob):
    """The error names image and layer, says that it is the layer's fault, and nothing stays."""
    layer = Layer(blob, OCI_LAYER_GZIP, digest_of(b""))
    with FaultyRegistry({"damaged:1": build_image(layer)}) as faulty:
        with pytest.raises(
            FailedPreconditionError, match=rf"damaged:1': layer {layer.digest} cannot be extracted: .*(header|EOF)"
        ):
            await parts.puller.pull(f"{faulty.address}/damaged:1")
    assert await parts.left() == {}


async def test_a_configuration_under_another_algorithm(parts):
    """containerd stores by sha256: the text says so, and no ingest stays."""
    image = image_of(1000)
    digest = "sha512:" + hashlib.sha512(image.config).hexdigest()
    changed = with_manifest(image, {"config": json.loads(image.manifest)["config"] | {"digest": digest}})
    with FaultyRegistry({"other:1": changed}, redirects={digest: f"/v2/other/blobs/{image.id}"}) as faulty:
        with pytest.raises(FailedPreconditionError, match=rf"other:1': blob {digest} has a digest that this"):
            await parts.puller.pull(f"{faulty.address}/other:1")
    assert await parts.left() == {}


async def test_a_layer_of_very_many_repositories(parts):
    """The list of its sources, which containerd bounds, is full some day; pulls go on."""
    image = image_of(1000)
    names = [f"{'x' * 120}/r{number}:1" for number in range(40)]
    with FaultyRegistry(dict.fromkeys(names, image)) as faulty:
        for name in names:
            await parts.puller.pull(f"{faulty.address}/{name}")
