"""The image store against a real containerd: what others do shows, what we remove is gone, the broken is skipped."""

from __future__ import annotations

import asyncio
import os

import pytest

from containerd_client.api.containerd.services.images.v1 import images_pb2
from containerd_client.api.containerd.types import types_pb2
from cri_shim.errors import FailedPreconditionError
from lab.images import (
    OCI_INDEX,
    OCI_LAYER_PLAIN,
    OCI_MANIFEST,
    Tree,
    build_image,
    build_index,
    digest_of,
    push,
    write_oci_layout,
)
from tests.integration.images.conftest import parts_of

pytestmark = pytest.mark.root

NAME = "docker.io/library/imported:1"


def image_of(layers: int = 2, **options):
    """An image that no other test has."""
    return build_image(
        *(Tree().file(f"f{n}", os.urandom(100)).layer(OCI_LAYER_PLAIN) for n in range(layers)), **options
    )


async def until(condition, seconds: float = 5):
    """Wait until a condition holds; fail when it does not in time."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_import_shows_by_event(parts, tmp_path):
    """What ``ctr images import`` brings is there at once, labelled for the plugin; no event of ours follows its own."""
    image = image_of()
    await parts.watch()
    parts.ctr("images", "import", "--no-unpack", str(write_oci_layout(tmp_path, image, NAME)))
    await until(lambda: parts.images.resolve("imported:1"))
    imported = parts.images.resolve(image.id)
    assert imported.repo_tags == (NAME,)
    assert imported.size == image.size
    await asyncio.sleep(0.3)
    record = await parts.containerd.images.get(NAME)
    assert record.labels["io.cri-containerd.image"] == "managed"
    written = record.updated_at.ToNanoseconds()
    await asyncio.sleep(0.3)
    assert (await parts.containerd.images.get(NAME)).updated_at.ToNanoseconds() == written


async def test_import_is_found_without_an_event(parts, tmp_path):
    """A miss in memory asks containerd, because containerd 1.7's import publishes no event."""
    image = image_of()
    parts.ctr("images", "import", "--no-unpack", str(write_oci_layout(tmp_path, image, NAME)))
    assert parts.images.resolve("imported:1") is None
    assert (await parts.images.find("imported:1")).id == image.id
    assert await parts.images.find("imported:2") is None
    assert await parts.images.find("Not A Reference") is None


async def test_import_is_unpacked_when_needed(parts, tmp_path):
    """An image that was imported packed is unpacked once for a snapshotter, and the collector leaves it alone."""
    image = image_of(3)
    parts.ctr("images", "import", "--no-unpack", str(write_oci_layout(tmp_path, image, NAME)))
    imported = await parts.images.find("imported:1")
    assert "snapshots" not in await parts.left()
    chains = await asyncio.gather(*(parts.puller.ensure_unpacked(imported) for _ in range(5)))
    assert set(chains) == {image.chain_id}
    left = await parts.left()
    assert len(left["snapshots"]) == 3
    assert "leases" not in left
    await parts.images.remove(imported)
    assert await parts.left() == {}


async def test_a_snapshot_that_was_removed_is_made_again(parts, registry):
    """After the snapshot was removed, ``unpack`` does not trust memory."""
    image = image_of(1)
    push(registry.address, "resnap:1", image)
    pulled = await parts.puller.pull(f"{registry.address}/resnap:1")
    await parts.containerd.snapshots("overlayfs").remove(image.chain_id)
    assert await parts.puller.ensure_unpacked(pulled) == image.chain_id
    assert "snapshots" not in await parts.left()
    await parts.puller.unpack(pulled)
    assert (await parts.left())["snapshots"] == [image.chain_id]


async def test_removed_behind_our_back(parts, registry):
    """``ctr images rm`` takes names away one by one, and the image with the last."""
    image = image_of()
    push(registry.address, "rm:1", image)
    await parts.watch()
    pulled = await parts.puller.pull(f"{registry.address}/rm:1")
    parts.ctr("images", "rm", pulled.repo_tags[0])
    await until(lambda: parts.images.resolve(image.id).repo_tags == ())
    parts.ctr("images", "rm", image.id, pulled.repo_digests[0])
    await until(lambda: parts.images.list() == ())
    assert await parts.left() == {}


async def test_tagged_behind_our_back(parts, registry):
    """A second tag shows, and goes with the image when it is removed by any other name, event or not."""
    image = image_of()
    push(registry.address, "tag:1", image)
    await parts.watch()
    pulled = await parts.puller.pull(f"{registry.address}/tag:1")
    parts.ctr("images", "tag", pulled.repo_tags[0], "docker.io/library/second:1")
    await until(lambda: len(parts.images.resolve(image.id).repo_tags) == 2)
    for task in parts.watching:
        task.cancel()
    parts.ctr("images", "tag", pulled.repo_tags[0], "docker.io/library/third:1")
    await parts.images.remove(parts.images.resolve("second:1"))
    assert parts.images.list() == ()
    assert await parts.left() == {}


async def test_other_namespaces_do_not_show(parts, registry, containerd, tmp_path):
    """What happens in another namespace of the same containerd is not ours."""
    await parts.watch()
    containerd.ctr("images", "import", str(write_oci_layout(tmp_path, image_of(), NAME)), namespace="elsewhere")
    await asyncio.sleep(0.3)
    assert parts.images.list() == ()


async def test_everything_is_there_after_a_restart(parts, registry, containerd):
    """A new store reads what the old one knew, pinned or not, by tag and digest and index."""
    one, two = image_of(), image_of()
    push(registry.address, "restart1:1", build_index(one, image_of(architecture="s390x")))
    push(registry.address, "restart2:1", two)
    for name in ("restart1:1", "restart2:1"):
        await parts.puller.pull(f"{registry.address}/{name}")
    await parts.puller.pull(f"{registry.address}/restart2:1", pinned=True)
    async with parts_of(containerd, parts.namespace) as again:
        await again.images.load_all()

        def plain(images):
            return sorted((i.id, sorted(i.references), i.chain_id, i.size, i.config, i.pinned) for i in images.list())

        assert plain(again.images) == plain(parts.images)
        assert [image.pinned for image in again.images.list() if image.id == two.id] == [True]


async def test_load_forgets_what_is_gone(parts, registry):
    """Reading everything again also drops what went while no event could come."""
    push(registry.address, "gone:1", image_of())
    pulled = await parts.puller.pull(f"{registry.address}/gone:1")
    parts.ctr("images", "rm", *pulled.references)
    await parts.images.load_all()
    assert parts.images.list() == ()


async def test_broken_images_are_skipped(parts, registry):
    """Nothing that lies in containerd keeps the others from being read: garbage, missing blobs, foreign things."""
    good = image_of()
    push(registry.address, "good:1", good)
    await parts.puller.pull(f"{registry.address}/good:1")
    client = parts.containerd
    for name, data in (("junk", b"{"), ("list", b"[]"), ("other", b'{"schemaVersion":2,"manifests":[]}')):
        digest = digest_of(data)
        await client.content.write_blob(name, data, digest)
        target = types_pb2.Descriptor(media_type=OCI_MANIFEST, digest=digest, size=len(data))
        await client.images.create(images_pb2.Image(name=f"docker.io/library/{name}:1", target=target))
    absent = types_pb2.Descriptor(media_type=OCI_INDEX, digest="sha256:" + "0" * 64, size=1)
    await client.images.create(images_pb2.Image(name="docker.io/library/absent:1", target=absent))
    await client.content.delete(good.layers[0].digest)
    await parts.images.load_all()
    assert [image.id for image in parts.images.list()] == [good.id]
    assert await parts.images.find("junk:1") is None


async def test_layers_missing_and_not_unpacked(parts, registry):
    """An image that could not be run (neither layers nor snapshot) counts as absent, so that it is pulled again."""
    image = image_of()
    push(registry.address, "hollow:1", image)
    pulled = await parts.puller.pull(f"{registry.address}/hollow:1")
    client = parts.containerd
    snapshots = client.snapshots("overlayfs")
    for info in reversed(await snapshots.list()):
        await snapshots.remove(info.name) if info.name == image.chain_id else None
    await client.content.delete(image.layers[1].digest)
    with pytest.raises(FailedPreconditionError, match=rf"{image.layers[1].digest} are missing .* pull the image again"):
        await parts.puller.unpack(pulled)
    assert parts.images.list() == ()
    async with parts_of(parts.daemon, parts.namespace) as again:
        await again.images.load_all()
        assert again.images.list() == ()
        repaired = await again.puller.ensure(f"{registry.address}/hollow:1")
        assert repaired.id == image.id


async def test_removed_while_an_event_is_being_read(parts, registry):
    """An image is invisible from the moment that its removal has returned, whatever events are still under way."""
    await parts.watch()
    for number in range(10):
        push(registry.address, f"race{number}:1", image_of(1))
        pulled = await parts.puller.pull(f"{registry.address}/race{number}:1")
        await parts.images.remove(pulled)
        for _ in range(10):
            assert parts.images.list() == ()
            await asyncio.sleep(0.002)


async def test_removed_by_several_at_once(parts, registry):
    """Simultaneous removals of one image all succeed."""
    push(registry.address, "at-once:1", image_of())
    pulled = await parts.puller.pull(f"{registry.address}/at-once:1")
    await asyncio.gather(*(parts.images.remove(pulled) for _ in range(5)))
    assert await parts.left() == {}


async def test_an_imported_image_outlives_its_name(parts, tmp_path):
    """As with containerd's plugin it gets a record under its id, by which it is known when its tag is removed."""
    image = image_of()
    await parts.watch()
    parts.ctr("images", "import", str(write_oci_layout(tmp_path, image, NAME)))
    assert await parts.images.find("imported:1")  # the import of 1.7 publishes no event
    await until(lambda: image.id in parts.images.resolve(image.id).references)
    parts.ctr("images", "rm", "--sync", NAME)
    await until(lambda: parts.images.resolve(image.id).repo_tags == ())
    assert await parts.puller.ensure_unpacked(parts.images.resolve(image.id)) == image.chain_id
    await parts.images.remove(parts.images.resolve(image.id))
    await asyncio.sleep(0.2)
    assert await parts.left() == {}


@pytest.mark.parametrize("cut", [1, 2])
async def test_a_removal_that_was_cut(parts, registry, containerd, cut, monkeypatch):
    """A daemon that dies between two deletes: the next, asked for the same tag, leaves no record or snapshot."""
    name = f"{registry.address}/cut{cut}:1"
    push(registry.address, f"cut{cut}:1", image_of())
    pulled = await parts.puller.pull(name)
    delete = parts.containerd.images.delete
    deleted: list[str] = []

    async def dying(record, *, sync=False):
        if len(deleted) == cut:
            raise asyncio.CancelledError
        deleted.append(record)
        await delete(record, sync=sync)

    monkeypatch.setattr(parts.containerd.images, "delete", dying)
    with pytest.raises(asyncio.CancelledError):
        await parts.images.remove(pulled, name)
    async with parts_of(containerd, parts.namespace) as again:
        await again.images.load_all()
        image = await again.images.find(name)
        assert image is not None
        await again.images.remove(image, name)
        assert await again.left() == {}
