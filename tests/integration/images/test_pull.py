"""Pulling from a real registry into a real containerd."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from dataclasses import replace

import pytest

from containerd_client.api.containerd.services.snapshots.v1 import snapshots_pb2
from cri_shim.errors import CriError, FailedPreconditionError, InvalidArgumentError, NotFoundError
from cri_shim.images.verifier import ImageVerifier
from lab.images import (
    DOCKER_LAYER_GZIP,
    OCI_LAYER_GZIP,
    OCI_LAYER_PLAIN,
    OCI_LAYER_ZSTD,
    Index,
    Layer,
    Tree,
    build_image,
    build_index,
    busybox_image,
    has_zstd,
    push,
)
from tests.integration.images.conftest import parts_of

pytestmark = pytest.mark.root


def layered(seed: str, *media_types: str):
    """An image of as many small layers, different for each seed."""
    layers = [
        Tree().directory(f"d{number}").file(f"d{number}/{seed}", seed.encode() * 1000).layer(media_type)
        for number, media_type in enumerate(media_types or (OCI_LAYER_GZIP,) * 3)
    ]
    return build_image(*layers, config={"Cmd": ["sh"]})


def blob_gets(registry):
    return [one.path for one in registry.requests() if one.method == "GET" and "/blobs/" in one.path]


async def test_pull_by_tag(parts, registry):
    """Id, names, size and chain are those of the image; the records are labelled; nothing is in the making."""
    image = layered("bytag")
    push(registry.address, "bytag:1", image)
    pulled = await parts.puller.pull(f"{registry.address}/bytag:1")
    assert pulled.id == image.id
    assert pulled.chain_id == image.chain_id
    assert pulled.size == image.size
    assert pulled.config.cmd == ("sh",)
    assert pulled.repo_tags == (f"{registry.address}/bytag:1",)
    assert pulled.repo_digests == (f"{registry.address}/bytag@{image.digest}",)
    records = {record.name: record for record in await parts.containerd.images.list()}
    assert set(records) == {image.id, *pulled.repo_tags, *pulled.repo_digests}
    assert all(dict(record.labels) == {"io.cri-containerd.image": "managed"} for record in records.values())
    assert all(record.target.digest == image.digest for record in records.values())
    assert await parts.containerd.leases.list() == []
    assert await parts.containerd.content.list_statuses() == []


async def test_labels_keep_everything(parts, registry):
    """After the lease is gone and the collector ran, every blob and snapshot is still there, with the usual labels."""
    image = layered("labels")
    push(registry.address, "labels:1", image)
    await parts.puller.pull(f"{registry.address}/labels:1")
    left = await parts.left()
    assert sorted(left["content"]) == sorted({image.digest, image.id, *(layer.digest for layer in image.layers)})
    assert len(left["snapshots"]) == 3
    source = {"containerd.io/distribution.source.127.0.0.1": "labels"}
    info = parts.containerd.content.info
    assert dict((await info(image.id)).labels) == source | {"containerd.io/gc.ref.snapshot.overlayfs": image.chain_id}
    assert dict((await info(image.digest)).labels) == source | {
        "containerd.io/gc.ref.content.config": image.id,
        **{f"containerd.io/gc.ref.content.l.{n}": layer.digest for n, layer in enumerate(image.layers)},
    }
    for layer in image.layers:
        assert dict((await info(layer.digest)).labels) == source | {"containerd.io/uncompressed": layer.diff_id}


async def test_pull_by_digest(parts, registry):
    """By digest there is no tag; with tag and digest the digest decides."""
    image = layered("bydigest")
    push(registry.address, "bydigest:1", image)
    pulled = await parts.puller.pull(f"{registry.address}/bydigest@{image.digest}")
    assert (pulled.id, pulled.repo_tags) == (image.id, ())
    again = await parts.puller.pull(f"{registry.address}/bydigest:absent@{image.digest}")
    assert again == pulled


async def test_pull_twice_fetches_once(parts, registry):
    """A second pull asks where the tag points and gets nothing else."""
    push(registry.address, "twice:1", layered("twice"))
    first = await parts.puller.pull(f"{registry.address}/twice:1")
    registry.forget()
    assert await parts.puller.pull(f"{registry.address}/twice:1") == first
    assert [(one.method, one.path) for one in registry.requests()] == [("HEAD", "/v2/twice/manifests/1")]


async def test_ten_at_once_download_once(parts, registry):
    """Ten pulls of an absent image are one: each blob is asked for once."""
    image = layered("ten")
    push(registry.address, "ten:1", image)
    registry.forget()
    pulled = await asyncio.gather(*(parts.puller.pull(f"{registry.address}/ten:1") for _ in range(10)))
    assert {one.id for one in pulled} == {image.id}
    assert len(blob_gets(registry)) == 4
    assert len(set(blob_gets(registry))) == 4


async def test_ten_pods_want_the_absent_sandbox_image(parts, registry):
    """Ten pods that need the same image at once, some asking for it and some just needing it, cause one download."""
    image = layered("tenpods")
    push(registry.address, "tenpods:1", image)
    registry.forget()
    reference = f"{registry.address}/tenpods:1"
    results = await asyncio.gather(
        *(parts.puller.ensure(reference) for _ in range(5)), *(parts.puller.pull(reference) for _ in range(5))
    )
    assert {one.id for one in results} == {image.id}
    assert len(blob_gets(registry)) == 4


async def test_images_that_share_layers_at_once(parts, registry):
    """Different images pulled at once fetch and unpack the layers they share once, and keep them each for itself."""
    base = layered("shared").layers
    images = [
        build_image(*base, Tree().file(f"own{number}").layer(), config={"Cmd": [str(number)]}) for number in range(5)
    ]
    for number, image in enumerate(images):
        push(registry.address, f"share{number}:1", image)
    registry.forget()
    await asyncio.gather(*(parts.puller.pull(f"{registry.address}/share{number}:1") for number in range(5)))
    gets = [path.rpartition("/")[2] for path in blob_gets(registry)]
    assert all(gets.count(layer.digest) == 1 for layer in base)
    info = await parts.containerd.content.info(base[0].digest)
    assert info.labels["containerd.io/distribution.source.127.0.0.1"] == "share0,share1,share2,share3,share4"
    left = await parts.left()
    assert len(left["snapshots"]) == 3 + 5
    for image in images[:4]:
        await parts.images.remove(parts.images.resolve(image.id))
    assert len((await parts.left())["snapshots"]) == 4


@pytest.mark.parametrize("media_type", [OCI_LAYER_GZIP, OCI_LAYER_PLAIN, OCI_LAYER_ZSTD, DOCKER_LAYER_GZIP])
async def test_compressions(parts, registry, media_type):
    """gzip, zstd and plain layers unpack to what the configuration promises."""
    if media_type == OCI_LAYER_ZSTD and not has_zstd():
        pytest.skip("no zstd to make the layer with")
    image = layered(media_type[-8:], media_type, media_type)
    push(registry.address, "compressed:1", image)
    pulled = await parts.puller.pull(f"{registry.address}/compressed:1")
    stat = await parts.containerd.snapshots("overlayfs").stat(pulled.chain_id)
    assert stat.kind == snapshots_pb2.COMMITTED


async def test_docker_schema_2(parts, registry):
    """Docker's own media types are as good."""
    image = build_image(Tree().file("docker").layer(), docker=True)
    push(registry.address, "docker:1", image)
    assert (await parts.puller.pull(f"{registry.address}/docker:1")).id == image.id


async def test_whiteouts(parts, registry, tmp_path):
    """What an upper layer deletes or hides is not in the container's view."""
    image = build_image(
        Tree().directory("a").file("a/one", b"1").file("a/two", b"2").directory("b").file("b/three", b"3").layer(),
        Tree().whiteout("a/one").layer(),
        Tree().directory("b").opaque("b").file("b/four", b"4").layer(),
    )
    push(registry.address, "white:1", image)
    pulled = await parts.puller.pull(f"{registry.address}/white:1")
    mounts = await parts.containerd.snapshots("overlayfs").view("look", pulled.chain_id)
    (mount,) = mounts
    options = ",".join(mount.options)
    subprocess.run(["mount", "-t", mount.type, mount.source, "-o", options, tmp_path], check=True)
    try:
        assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["a", "a/two", "b", "b/four"]
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.parametrize("docker", [False, True])
async def test_index(parts, registry, docker):
    """Of an index only this machine's image is fetched; the digest shown is the index's; its size counts."""
    images = [
        build_image(Tree().file(f"x{arch}{docker}").layer(), architecture=arch, docker=docker)
        for arch in ("arm64", "amd64", "s390x")
    ]
    index = build_index(*images, docker=docker)
    push(registry.address, "index:1", index)
    registry.forget()
    pulled = await parts.puller.pull(f"{registry.address}/index:1")
    assert pulled.id == images[1].id
    assert pulled.repo_digests == (f"{registry.address}/index@{index.digest}",)
    assert pulled.size == images[1].size + len(index.manifest)
    assert len(blob_gets(registry)) == 2
    assert sorted((await parts.left())["content"]) == sorted(
        {index.digest, images[1].digest, images[1].id, images[1].layers[0].digest}
    )


async def test_index_without_this_machine(parts, registry):
    """An index for others is refused with the list of what there is, and leaves nothing."""
    push(registry.address, "other:1", build_index(build_image(Tree().layer(), architecture="s390x")))
    with pytest.raises(NotFoundError, match=r"no image for linux/\w+; it has linux/s390x"):
        await parts.puller.pull(f"{registry.address}/other:1")
    assert await parts.left() == {}


async def test_single_image_for_another_machine(parts, registry):
    """A manifest that was asked for by itself is taken, as by containerd: the node may have an emulator."""
    image = build_image(Tree().file("x", b"alien").layer(), architecture="s390x")
    push(registry.address, "alien:1", image)
    pulled = await parts.puller.pull(f"{registry.address}/alien:1")
    assert (pulled.id, pulled.chain_id) == (image.id, image.chain_id)
    assert (await parts.left())["snapshots"] == [image.chain_id]


@pytest.mark.parametrize("names_platform", [True, False])
async def test_an_index_decides_about_the_platform(parts, registry, names_platform):
    """A member is held against its own configuration only where the index does not say what it is for."""
    image = build_image(Tree().file("x", os.urandom(10)).layer(), architecture="s390x")
    host = parts.images.platform
    platform = {"platform": {"os": host.os, "architecture": host.architecture}} if names_platform else {}
    document = json.loads(build_index(image).manifest)
    document["manifests"] = [{k: v for k, v in document["manifests"][0].items() if k != "platform"} | platform]
    index = Index((image,), json.dumps(document).encode())
    push(registry.address, f"platform{names_platform}:1".lower(), index)
    reference = f"{registry.address}/platform{names_platform}:1".lower()
    if names_platform:
        assert (await parts.puller.pull(reference)).id == image.id
        return
    with pytest.raises(NotFoundError, match=r"is for linux/s390x, this machine is"):
        await parts.puller.pull(reference)
    assert await parts.left() == {}


async def test_a_layer_of_unknown_type(parts, registry):
    """It is stored and held by the manifest, as by containerd, and nothing of it is unpacked."""
    layer = Tree().file("x", os.urandom(10)).layer()
    extra = Layer(b"signed", "application/vnd.example.signature", "")
    image = build_image(layer)
    manifest = json.loads(image.manifest)
    manifest["layers"].append({"mediaType": extra.media_type, "digest": extra.digest, "size": len(extra.blob)})
    image = replace(image, layers=(layer, extra), manifest=json.dumps(manifest).encode())
    push(registry.address, "extra:1", image)
    pulled = await parts.puller.pull(f"{registry.address}/extra:1")
    assert pulled.size == image.size
    left = await parts.left()
    assert extra.digest in left["content"]
    assert left["snapshots"] == [layer.diff_id]


async def test_absent_image(parts, registry):
    """What the registry lacks is NOT_FOUND, with the reference and the place."""
    with pytest.raises(
        NotFoundError, match=rf"pull image '{registry.address}/nope:1': .*not found at http://{registry.address}"
    ):
        await parts.puller.pull(f"{registry.address}/nope:1")
    assert await parts.left() == {}


async def test_no_reference(parts):
    """What is no reference is refused before anybody is asked."""
    with pytest.raises(InvalidArgumentError, match="lower case"):
        await parts.puller.pull("Nope/UPPER")


async def test_no_registry(parts):
    """A registry that is not there has the word that the kubelet knows."""
    with pytest.raises(CriError, match=r"^RegistryUnavailable: pull image '127\.0\.0\.1:1/x'") as caught:
        await parts.puller.pull("127.0.0.1:1/x")
    assert caught.value.code.name == "UNKNOWN"
    assert await parts.left() == {}


async def test_a_tag_that_moved(parts, registry):
    """After the tag moved, the old image keeps its id and digest; removing the new one leaves the old."""
    old, new = layered("old"), layered("new")
    reference = f"{registry.address}/moving:1"
    push(registry.address, "moving:1", old)
    await parts.puller.pull(reference)
    push(registry.address, "moving:1", new)
    await parts.puller.pull(reference)
    assert parts.images.resolve(reference).id == new.id
    assert parts.images.resolve(old.id).repo_tags == ()
    assert parts.images.resolve(old.id).repo_digests == (f"{registry.address}/moving@{old.digest}",)
    await parts.images.remove(parts.images.resolve(reference))
    assert [image.id for image in parts.images.list()] == [old.id]
    assert len((await parts.left())["content"]) == 5


async def test_pinned(containerd, registry):
    """The sandbox image is pinned, whichever client pulled it."""
    image = layered("pinned")
    push(registry.address, "pinned:1", image)
    async with parts_of(containerd, "test-pinned", pinned=[f"{registry.address}/pinned:1"]) as parts:
        assert (await parts.puller.ensure(f"{registry.address}/pinned:1")).pinned
        record = await parts.containerd.images.get(f"{registry.address}/pinned:1")
        assert dict(record.labels) == {"io.cri-containerd.image": "managed", "io.cri-containerd.pinned": "pinned"}
        registry.forget()
        again = await parts.puller.ensure(f"{registry.address}/pinned:1")
        assert again.id == image.id
        assert registry.requests() == []
        await parts.images.remove(again)


async def test_mirror(containerd, registry, tmp_path):
    """A name without a reachable registry is served by the host that its hosts.toml names."""
    image = layered("mirror")
    push(registry.address, "pause:9", image)
    (tmp_path / "registry.example").mkdir()
    (tmp_path / "registry.example/hosts.toml").write_text(
        f'server = "http://127.0.0.1:1"\n[host."http://{registry.address}"]\n'
    )
    async with parts_of(containerd, "test-mirror", config_path=str(tmp_path)) as parts:
        pulled = await parts.puller.pull("registry.example/pause:9")
        assert pulled.repo_tags == ("registry.example/pause:9",)
        assert pulled.id == image.id


async def test_an_image_without_layers(parts, registry):
    """A configuration alone is an image too (its snapshot has no parent)."""
    push(registry.address, "empty:1", build_image(config={"Cmd": ["x"]}))
    pulled = await parts.puller.pull(f"{registry.address}/empty:1")
    assert pulled.chain_id == ""
    assert await parts.puller.ensure_unpacked(pulled) == ""


async def test_leases_of_a_killed_daemon(parts):
    """Leases that a crash left are deleted at the next start; those of others are not."""
    await parts.containerd.leases.create("ours", labels={"io.cri-shim.lease": "image"})
    await parts.containerd.leases.create("theirs")
    await parts.puller.forget_leases()
    assert [lease.id for lease in await parts.containerd.leases.list()] == ["theirs"]
    await parts.containerd.leases.delete("theirs")


async def test_layers_of_a_running_image(parts, registry):
    """A real file system: busybox with a second layer is there as it was built."""
    image = busybox_image(cmd=["sh"], user="app:more", files={"/srv/x": (b"hi", 0o600, 7, 8)}, env=["A=1"])
    push(registry.address, "bb:1", image)
    pulled = await parts.puller.pull(f"{registry.address}/bb:1")
    assert pulled.config.user == "app:more"
    assert "A=1" in pulled.config.env
    assert json.loads(await parts.images.config_document(pulled))["config"]["User"] == "app:more"


async def test_a_snapshotter_that_containerd_lacks(parts, registry):
    """It is named with what to do, and nothing stays."""
    push(registry.address, "nowhere:1", layered("nowhere"))
    with pytest.raises(FailedPreconditionError, match=r"nowhere:1': containerd has no snapshotter 'no-such-one'"):
        await parts.puller.pull(f"{registry.address}/nowhere:1", "no-such-one")
    assert await parts.left() == {}


async def test_a_verifier_refuses(containerd, registry, tmp_path):
    """It is asked before anything is fetched, and of a refusal nothing is left."""
    program = tmp_path / "policy"
    program.write_text('#!/bin/sh\necho "$2 is not signed"; exit 1\n')
    program.chmod(0o755)
    push(registry.address, "unsigned:1", layered("unsigned"))
    before = len(blob_gets(registry))
    async with parts_of(containerd, "verified", verifier=ImageVerifier(str(tmp_path))) as parts:
        with pytest.raises(CriError, match=r"^SignatureValidationFailed: .*unsigned:1 is not signed") as refused:
            await parts.puller.pull(f"{registry.address}/unsigned:1")
        assert refused.value.code.name == "UNKNOWN"
        assert await parts.left() == {}
    assert len(blob_gets(registry)) == before


async def test_what_was_verified_is_what_is_pulled(containerd, registry, tmp_path):
    """A tag that moves while the verifier thinks about it does not bring the other image."""
    good, bad = layered("good"), layered("bad")
    push(registry.address, "moving:1", good)

    class MovingVerifier(ImageVerifier, frozen=True):
        async def programs(self):
            return ("any",)

        async def verify(self, name, target, programs):
            assert (name, target.digest) == (f"{registry.address}/moving:1", good.digest)
            push(registry.address, "moving:1", bad)

    async with parts_of(containerd, "moved", verifier=MovingVerifier()) as parts:
        pulled = await parts.puller.pull(f"{registry.address}/moving:1")
    assert (pulled.id, pulled.target.digest) == (good.id, good.digest)
