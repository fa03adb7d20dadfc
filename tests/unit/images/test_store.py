"""The image store against containerd in dictionaries: looks that overlap, removals that are cut, images of others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest
from google.protobuf import any_pb2
from structlog.testing import capture_logs

from containerd_client.api.containerd.services.images.v1 import images_pb2
from containerd_client.api.containerd.types import types_pb2
from containerd_client.distribution.contents import read_contents
from containerd_client.distribution.values.errors import IncompleteImageError
from containerd_client.distribution.values.manifest import Descriptor
from containerd_client.distribution.values.platforms import Platform
from containerd_client.errors import AlreadyExists, Unavailable
from cri_shim.images import store as images
from cri_shim.images.names import MANAGED
from cri_shim.images.records import write_record
from cri_shim.images.store import ImageStore
from tests.unit.images.fake_images import FakeContainerd

if TYPE_CHECKING:
    from containerd_client import Containerd

AMD64 = Platform("linux", "amd64")
TAG, SECOND = "docker.io/library/one:1", "docker.io/library/two:2"
AT = "docker.io/library/one@sha256:" + "0" * 64


def store_of(client):
    return ImageStore(client, platform=AMD64)


async def rest():
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_removal_whose_last_answer_was_lost():
    """The record goes last that still exists, as only the deletion of that one collects what the image had."""
    client = FakeContainerd()
    store = store_of(client)
    image_id = client.add_image(TAG, AT)
    await store.load_all()
    del client.records[image_id]
    await store.remove(store.resolve(image_id), image_id)
    assert client.records == {}
    assert client.deleted[-1].endswith(" sync")


async def test_two_reads_at_once_are_two():
    """The first look learns that it is stale although a second one, just like it, has ended meanwhile."""
    client = FakeContainerd()
    store = store_of(client)
    image_id = client.add_image(TAG)
    slow, fast = client.hold(TAG), client.hold(TAG)
    first = asyncio.create_task(store.refresh(TAG))
    await rest()
    second = asyncio.create_task(store.refresh(TAG))
    await rest()
    fast.set()
    await second
    await store.remove(store.resolve(image_id))
    slow.set()
    assert await first is None
    assert store.list() == ()


async def test_two_loads_at_once_are_two():
    """A load that ends does not make the other one forget what changes from then on."""
    client = FakeContainerd()
    store = store_of(client)
    client.add_image(TAG)
    gate = client.hold_list()
    first = asyncio.create_task(store.load_all())
    await rest()
    client.records.clear()
    await store.load_all()
    client.add_image(TAG)
    image = await store.refresh(TAG)
    assert image is not None
    await store.remove(image)
    gate.set()
    await first
    assert store.list() == ()
    assert client.records == {}


async def test_a_name_that_is_no_text():
    """It is left out, because no request can name it; the image's other names, and all other images, are there."""
    client = FakeContainerd()
    store = store_of(client)
    image_id = client.add_image(TAG)
    bad = "docker.io/library/\ufffd:1"
    client.records[bad] = images_pb2.Image(name=bad, target=client.records[TAG].target)
    other = client.add_image(SECOND, User="other")
    skipped = []
    for _ in range(2):
        with capture_logs() as logs:
            await store.load_all()
        skipped += [one["name"] for one in logs if one["event"] == "image.skipped"]
        assert {image.id for image in store.list()} == {image_id, other}
        assert bad not in store.resolve(image_id).references
    assert skipped == [bad]
    await store.remove(store.resolve(image_id))
    assert {image.id for image in store.list()} == {other}


@pytest.mark.parametrize("cut", range(4))
@pytest.mark.parametrize("named", ["tag", "second tag", "digest", "id"])
async def test_a_removal_that_was_cut_is_finished_by_the_next(cut, named):
    """Whichever delete fails, a new daemon that is asked for the same removal leaves nothing."""
    client = FakeContainerd()
    store = store_of(client)
    image_id = client.add_image(TAG, SECOND, AT)
    await store.load_all()
    assert set(client.records) == {TAG, SECOND, AT, image_id}
    ref = {"tag": "one:1", "second tag": SECOND, "digest": AT, "id": image_id}[named]
    client.fail_delete = cut
    with pytest.raises(Unavailable):
        await store.remove(await store.find(ref), ref)
    again = store_of(client)
    await again.load_all()
    image = await again.find(ref)
    assert image is not None
    await again.remove(image, ref)
    assert client.records == {}
    assert client.deleted[-1].endswith(" sync")


async def test_a_name_that_points_elsewhere_by_now_stays():
    """A pull that moves the tag while its old image is being removed keeps the tag."""
    client = FakeContainerd()
    store = store_of(client)
    old = client.add_image(TAG)
    await store.load_all()
    image = store.resolve(old)
    new = client.add_image(TAG, User="other")
    await store.refresh(TAG)
    await store.remove(image)
    assert store.resolve("one:1").id == new
    assert set(client.records) == {TAG, new}


async def test_an_image_of_others_gets_a_record_under_its_id():
    """It stays known by its id when its name is taken away, as after containerd's plugin has adopted it."""
    client = FakeContainerd()
    store = store_of(client)
    image_id = client.add_image(TAG)
    await store.refresh(TAG)
    assert dict(client.records[image_id].labels) == dict([MANAGED])
    assert dict(client.records[TAG].labels) == dict([MANAGED])
    del client.records[TAG]
    await store.refresh(TAG)
    assert store.resolve(image_id).id == image_id
    assert (await store.find(image_id)).repo_tags == ()


async def test_a_known_name_that_others_move_takes_the_record_along():
    """A client that only changes what a name points at keeps its label, and yet the new image has no record."""
    client = FakeContainerd()
    store = store_of(client)
    client.add_image(TAG)
    await store.refresh(TAG)
    image_id = client.add_image(TAG, labels=dict([MANAGED]), User="other")
    await store.refresh(TAG)
    assert image_id in client.records
    del client.records[TAG]
    await store.refresh(TAG)
    assert store.resolve(image_id).id == image_id


async def test_a_record_under_the_id_that_was_taken_away_does_not_come_back():
    """A client that removes all names of an image one by one meets none of them again."""
    client = FakeContainerd()
    store = store_of(client)
    image_id = client.add_image(TAG)
    await store.refresh(TAG)
    del client.records[image_id]
    await store.refresh(image_id)
    await store.refresh(TAG)
    assert set(client.records) == {TAG}


async def test_what_was_adopted_without_a_record_is_completed_at_the_next_load():
    """Earlier versions set the label alone."""
    client = FakeContainerd()
    store = store_of(client)
    image_id = client.add_image(TAG, labels=dict([MANAGED]))
    await store.load_all()
    assert image_id in client.records
    del client.records[TAG]
    await store.load_all()
    assert store.resolve(image_id) is not None


@pytest.mark.parametrize("when", ["before", "during"])
async def test_what_was_removed_is_not_adopted(when):
    """A removal that overlaps with an adoption wins; no record under the id comes back."""
    client = FakeContainerd()
    store = store_of(client)
    image_id = client.add_image(TAG)
    client.hold(TAG).set()
    gate = client.hold(TAG)
    adopting = asyncio.create_task(store.refresh(TAG))
    await rest()
    removing = asyncio.create_task(store.remove(store.resolve(image_id)))
    if when == "before":
        del client.records[TAG]  # by another client
    await rest()
    gate.set()
    await asyncio.gather(adopting, removing)
    assert store.list() == ()
    assert client.records == {}


async def test_an_image_that_cannot_be_used_can_be_removed():
    """It is not listed, and RemoveImage by its name still takes its records away."""
    client = FakeContainerd()
    store = store_of(client)
    client.add_image(TAG, SECOND, config=b"[]")
    await store.load_all()
    assert await store.find(TAG) is None
    assert store.absence("one:1").startswith("is in containerd but cannot be used; pull it")
    await store.remove_unusable("one:1")
    assert client.records == {}
    await store.remove_unusable("one:1")
    assert store.absence("one:1") == "is not here; pull it first"


@pytest.mark.parametrize("by", ["a pull", "another client", "a look"])
async def test_an_image_that_becomes_complete_is_there_under_all_names(by):
    """Its blobs come back for one of them, and no event speaks of the others."""
    client = FakeContainerd()
    store = store_of(client)
    image_id = client.add_image(TAG, SECOND)
    contents = await read_contents(cast("Containerd", client), Descriptor.of(client.records[TAG].target), AMD64)
    config = client.blobs.pop(image_id)
    await store.load_all()
    assert store.list() == ()
    client.blobs[image_id] = config
    if by == "a pull":
        await store.record(contents, (image_id, TAG), "overlayfs")
    elif by == "another client":
        event = any_pb2.Any(value=images_pb2.ImageDelete(name=TAG).SerializeToString())
        await store.on_event(types_pb2.Envelope(namespace=client.namespace, topic="/images/update", event=event))
    else:
        await store.refresh(TAG)
    assert set(store.resolve(image_id).repo_tags) == {TAG, SECOND}
    assert store.resolve("two:2").id == image_id


async def test_an_image_whose_layers_are_gone_is_there_under_all_names_after_a_pull(monkeypatch):
    """That they are gone is seen when it is to be unpacked."""
    client = FakeContainerd()
    store = store_of(client)
    image_id = client.add_image(TAG, SECOND)
    await store.load_all()
    contents = await read_contents(cast("Containerd", client), Descriptor.of(client.records[TAG].target), AMD64)

    async def gone(*_: object) -> None:
        raise IncompleteImageError("layers are missing")

    monkeypatch.setattr(images, "unpack_stored", gone)
    with pytest.raises(IncompleteImageError):
        await store._unpack(store.resolve(image_id), "overlayfs")
    assert store.list() == ()
    await store.record(contents, (image_id, TAG), "overlayfs")
    assert set(store.resolve(image_id).repo_tags) == {TAG, SECOND}


async def test_a_pull_and_a_removal_of_one_image_do_not_mix():
    """Records are written all or deleted all: whichever comes second decides."""
    client = FakeContainerd()
    store = store_of(client)
    image_id = client.add_image(TAG)
    contents = await read_contents(cast("Containerd", client), Descriptor.of(client.records[TAG].target), AMD64)
    await store.load_all()
    image = store.resolve(image_id)
    await asyncio.gather(store.remove(image), store.record(contents, (image_id, TAG, AT), "overlayfs"))
    assert set(client.records) == {image_id, TAG, AT}


async def test_an_image_whose_documents_cannot_be_had_just_now(monkeypatch):
    """It is not known, which is not to say that it is not there: it is read again, and is there then."""
    monkeypatch.setattr(images, "READ_AGAIN", 0.01)
    client = FakeContainerd()
    store = store_of(client)
    image_id, other = client.add_image(TAG), client.add_image(SECOND, User="1")
    read_all, failures = client.read_all, [3]

    async def fail(digest, limit):
        if digest == client.records[TAG].target.digest and failures[0]:
            failures[0] -= 1
            raise Unavailable("Content/Read", "the disk is busy")
        return await read_all(digest, limit)

    monkeypatch.setattr(client, "read_all", fail)
    await store.load_all()
    assert [image.id for image in store.list()] == [other]
    await asyncio.wait_for(store.read_unread(), 10)
    assert {image.id for image in store.list()} == {image_id, other}


async def test_a_record_that_others_make_and_delete_meanwhile_is_written():
    """A pull beside another client that removes the same name ends with the record, not with "not found"."""
    client = TakenForAMoment()
    image_id = client.add_image(TAG)
    target = Descriptor.of(client.records[TAG].target)
    assert await write_record(cast("Containerd", client), image_id, target, pinned=False)
    assert client.records[image_id].target.digest == target.digest


class TakenForAMoment(FakeContainerd):
    """The first record that is made has just been made by another client, who then deletes it."""

    taken = True

    async def create(self, image):
        if self.taken:
            self.taken = False
            raise AlreadyExists("Images/Create", f"{image.name}: already exists")
        await super().create(image)
