"""The five RPCs of the ImageService, on the parts that they use."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING

import pytest

from containerd_client.errors import ContainerdError
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.config import Config
from cri_shim.errors import InvalidArgumentError
from cri_shim.node.snapshotter_root import PLUGIN_TYPE, existing_root
from cri_shim.rpc.image_fs_info import image_fs_info
from cri_shim.rpc.image_list import list_images
from cri_shim.rpc.image_pull import pull_image
from cri_shim.rpc.image_remove import remove_image
from cri_shim.rpc.image_status import image_status
from cri_shim.sync.snapshot_usage import RARELY, SMALL, SnapshotUsage
from lab.images import OCI_LAYER_PLAIN, Tree, build_image, push

if TYPE_CHECKING:
    from containerd_client.hops import Hop

pytestmark = pytest.mark.root


ROOT = {"containerd.io/gc.root": "test"}
"""Keeps a snapshot that nothing refers to from the garbage collector."""


def spec(name):
    return cri.ImageSpec(image=name)


@pytest.fixture
def service(parts):
    """The parts stand in for the service: they have the same names."""
    parts.config = Config()
    return parts


@pytest.fixture
async def pulled(service, registry):
    """An image that was pulled through the RPC; its built form, reference and id."""
    layers = [Tree().file(f"f{n}", os.urandom(5000)).layer(OCI_LAYER_PLAIN) for n in range(2)]
    image = build_image(*layers, config={"User": "1000:1000", "Cmd": ["x"]})
    push(registry.address, "rpc:1", image)
    reference = f"{registry.address}/rpc:1"
    response = await pull_image(service, cri.PullImageRequest(image=spec(reference)))
    return image, reference, response.image_ref


async def test_one_value_names_the_image(service, pulled):
    """PullImageResponse.image_ref, Image.id in the list and in the status are the configuration's digest."""
    image, reference, image_ref = pulled
    assert image_ref == image.id
    (entry,) = (await list_images(service, cri.ListImagesRequest())).images
    status = await image_status(service, cri.ImageStatusRequest(image=spec(reference)))
    assert entry == status.image
    assert (entry.id, entry.size) == (image.id, image.size)
    assert list(entry.repo_tags) == [reference]
    assert entry.uid.value == 1000
    assert entry.username == ""


async def test_status_takes_every_form(service, pulled):
    """Tag, digest, id, beginning of the id, and tag with digest."""
    image, reference, _ = pulled
    at = f"{reference[:-2]}@{image.digest}"
    for name in (reference, at, f"{reference}@{image.digest}", image.id, image.id[7:], image.id[7:19], image.id[:19]):
        assert (await image_status(service, cri.ImageStatusRequest(image=spec(name)))).image.id == image.id, name


async def test_status_of_nothing(service):
    """An absent image is an empty response; no image at all is a bad request."""
    for name in ("absent", "absent:1@sha256:" + "0" * 64, "sha256:" + "0" * 64, "0123456", "Not A Name"):
        assert not (await image_status(service, cri.ImageStatusRequest(image=spec(name)))).HasField("image"), name
    for call in (
        image_status(service, cri.ImageStatusRequest()),
        pull_image(service, cri.PullImageRequest()),
        remove_image(service, cri.RemoveImageRequest(image=cri.ImageSpec())),
    ):
        with pytest.raises(InvalidArgumentError, match=r"image\.image is empty"):
            await call


async def test_verbose_status(service, pulled):
    """The key ``info`` holds the chain id and the whole image configuration."""
    image, reference, _ = pulled
    status = await image_status(service, cri.ImageStatusRequest(image=spec(reference), verbose=True))
    info = json.loads(status.info["info"])
    assert info["chainID"] == image.chain_id
    assert info["imageSpec"] == json.loads(image.config)
    assert not (await image_status(service, cri.ImageStatusRequest(image=spec(reference)))).info


async def test_list_filter(service, pulled):
    """A filter selects by any form of the name, or nothing."""
    image, reference, _ = pulled
    for name, count in ((reference, 1), (image.id, 1), ("absent", 0)):
        request = cri.ListImagesRequest(filter=cri.ImageFilter(image=spec(name)))
        assert len((await list_images(service, request)).images) == count


async def test_user_by_name(service, registry):
    """A user that is not a number is reported by name, without its group."""
    push(registry.address, "named:1", build_image(config={"User": "app:more"}))
    await pull_image(service, cri.PullImageRequest(image=spec(f"{registry.address}/named:1")))
    (entry,) = (await list_images(service, cri.ListImagesRequest())).images
    assert entry.username == "app"
    assert not entry.HasField("uid")


@pytest.mark.parametrize("form", ["tag", "digest", "id", "prefix"])
async def test_remove(service, pulled, form):
    """By any form everything of the image goes, at once and without a trace; a second time is a success."""
    image, reference, _ = pulled
    forms = {"tag": reference, "digest": f"{reference[:-2]}@{image.digest}", "id": image.id, "prefix": image.id[7:20]}
    await remove_image(service, cri.RemoveImageRequest(image=spec(forms[form])))
    assert not (await list_images(service, cri.ListImagesRequest())).images
    assert not (await image_status(service, cri.ImageStatusRequest(image=spec(reference)))).HasField("image")
    # The last deletion was synchronous: nothing is left for the collector.
    assert await service.containerd.content.walk() == []
    assert await service.containerd.snapshots("overlayfs").list() == []
    assert await service.left() == {}
    await remove_image(service, cri.RemoveImageRequest(image=spec(forms[form])))


async def test_simultaneous_removals(service, pulled):
    """Several removals by different names at once all succeed."""
    image, reference, _ = pulled
    names = [reference, image.id, image.id[7:20]] * 3
    await asyncio.gather(*(remove_image(service, cri.RemoveImageRequest(image=spec(name))) for name in names))
    assert await service.left() == {}


async def test_fs_info(service, pulled, containerd):
    """The snapshotter's own directory, a plausible sum that follows the snapshots, the same for containers."""
    image, _, _ = pulled
    before = await image_fs_info(service, cri.ImageFsInfoRequest())
    (entry,) = before.image_filesystems
    assert entry.fs_id.mountpoint == f"{containerd.root}/io.containerd.snapshotter.v1.overlayfs"
    assert os.path.isdir(entry.fs_id.mountpoint)
    assert entry.used_bytes.value >= 10_000
    assert entry.inodes_used.value >= 4
    assert list(before.container_filesystems) == [entry]
    await service.containerd.snapshots("overlayfs").prepare("active", image.chain_id, labels=ROOT)
    await service.snapshot_usage.sample()
    after = (await image_fs_info(service, cri.ImageFsInfoRequest())).image_filesystems[0]
    assert after.used_bytes.value > entry.used_bytes.value
    assert after.timestamp > entry.timestamp
    assert service.snapshot_usage.usage("overlayfs", "active").active
    await service.containerd.snapshots("overlayfs").remove("active")
    await service.snapshot_usage.sample()
    assert service.snapshot_usage.usage("overlayfs", "active") is None


async def test_committed_snapshots_are_measured_once(service, pulled):
    """A second sample asks for the usage of active snapshots only."""
    image, _, _ = pulled
    await service.containerd.snapshots("overlayfs").prepare("busy", image.chain_id, labels=ROOT)
    await service.snapshot_usage.sample()
    measured = {name: service.snapshot_usage.usage("overlayfs", name).measured_ns for name in (image.chain_id, "busy")}
    await service.snapshot_usage.sample()
    assert service.snapshot_usage.usage("overlayfs", image.chain_id).measured_ns == measured[image.chain_id]
    assert service.snapshot_usage.usage("overlayfs", "busy").measured_ns > measured["busy"]


async def test_small_layers_are_counted_here_as_containerd_counts_them(service, pulled, monkeypatch):
    """What we count of a writable layer is what containerd says, and a layer that grows large is left to containerd."""
    image, _, _ = pulled
    snapshots = service.containerd.snapshots("overlayfs")
    (mount,) = await snapshots.prepare("written", image.chain_id, labels=ROOT)
    (upper,) = (option.removeprefix("upperdir=") for option in mount.options if option.startswith("upperdir="))
    os.mkdir(f"{upper}/folder")
    with open(f"{upper}/folder/file", "wb") as file:
        file.write(b"x" * 70_000)
    os.link(f"{upper}/folder/file", f"{upper}/again")
    await service.snapshot_usage.sample()
    counted = service.snapshot_usage.usage("overlayfs", "written")
    assert (counted.bytes, counted.inodes) == await snapshots.usage("written")
    assert counted.inodes == 3
    hops: list[Hop] = []
    monkeypatch.setattr(service.containerd._connection, "on_hop", hops.append)
    await service.snapshot_usage.sample()
    assert not [hop for hop in hops if hop.method.endswith("Snapshots/Usage")]
    for number in range(SMALL):
        with open(f"{upper}/{number}", "wb"):
            pass
    await service.snapshot_usage.sample()
    assert service.snapshot_usage.usage("overlayfs", "written").inodes == SMALL + 3
    assert [hop for hop in hops if hop.method.endswith("Snapshots/Usage")]


async def test_layers_without_writers_are_measured_rarely(service, pulled):
    """An idle one keeps its first measurement for some samples, and is measured again all the same."""
    image, _, _ = pulled
    await service.containerd.snapshots("overlayfs").prepare("resting", image.chain_id, labels=ROOT)
    usage = SnapshotUsage(service.containerd, idle=lambda key: key == "resting")
    measured = []
    for _ in range(RARELY + 1):
        await usage.sample()
        usage_now = usage.usage("overlayfs", "resting")
        assert usage_now is not None
        measured.append(usage_now.measured_ns)
    assert len(set(measured)) == 2
    assert measured[0] == measured[1]


async def test_snapshots_are_listed_when_what_they_are_made_for_changes(service, pulled, monkeypatch):
    """While nothing changes the list is asked for rarely; what another program made is in it then."""
    image, _, _ = pulled
    owners = ["a pod"]
    hops: list[Hop] = []
    monkeypatch.setattr(service.containerd._connection, "on_hop", hops.append)
    usage = SnapshotUsage(service.containerd, owners=lambda: list(owners))
    snapshots = service.containerd.snapshots("overlayfs")

    async def sampled():
        hops.clear()
        await usage.sample()
        return len([hop for hop in hops if hop.method.endswith("Snapshots/List")])

    assert await sampled() == 1
    await snapshots.prepare("unseen", image.chain_id, labels=ROOT)
    assert await sampled() == 0
    assert usage.usage("overlayfs", "unseen") is None
    owners.append("another pod")
    assert await sampled() == 1
    assert usage.usage("overlayfs", "unseen") is not None
    await snapshots.remove("unseen")
    assert [await sampled() for _ in range(RARELY)].count(1) == 1
    assert usage.usage("overlayfs", "unseen") is None


async def test_a_snapshotter_that_containerd_lacks_spoils_no_other(service):
    """The file systems of the others are listed; only without any it is an error."""
    usage = SnapshotUsage(service.containerd, ["no-such-snapshotter", "overlayfs"])
    (entry,) = await usage.filesystems_now()
    assert entry.snapshotter == "overlayfs"
    with pytest.raises(ContainerdError, match="no-such-snapshotter"):
        await SnapshotUsage(service.containerd, ["no-such-snapshotter"]).sample()


async def test_containerd_reports_where_its_root_is(service, containerd):
    """So the directory of a snapshotter that exports none is found wherever that root is."""
    plugins = await service.containerd.introspection.plugins()
    place = existing_root(plugins, "some-proxy")
    assert place.startswith(str(containerd.directory))
    assert os.path.isdir(place)


async def test_fs_info_of_a_snapshotter_that_exports_no_root(service, monkeypatch):
    """It names a directory that exists, for the kubelet looks at its file system."""
    ask = service.containerd.introspection.plugins

    async def plugins(*filters):
        answer = await ask(*filters)
        for plugin in answer:
            if plugin.type == PLUGIN_TYPE:
                plugin.exports.clear()
        return answer

    monkeypatch.setattr(service.containerd.introspection, "plugins", plugins)
    (entry,) = await SnapshotUsage(service.containerd, ["overlayfs"]).filesystems_now()
    assert os.path.isdir(entry.mountpoint)
