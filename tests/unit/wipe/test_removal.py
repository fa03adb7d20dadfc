"""The removal in front of a fake containerd: what is ours goes, and nothing of others is even asked for."""

from __future__ import annotations

import json

import pytest

from containerd_client import Containerd
from cri_shim.state.stored.metadata import SANDBOX_EXTENSION
from cri_shim.wipe import on_node
from cri_shim.wipe.inventory import take_inventory
from cri_shim.wipe.marks import OwnIds
from cri_shim.wipe.removal import remove_everything
from tests.fakes.containerd.faults import FaultKind
from tests.fakes.cri import Client
from tests.fakes.service import PAUSE, _no_files_of_the_node, make_service
from tests.unit.crash_matrix.kubelet import Kubelet

CHANGES = ("Create", "Update", "Delete", "Kill", "Remove", "Prepare", "Start")


@pytest.fixture(autouse=True)
def _no_shims(monkeypatch):
    """The processes of this machine have nothing to do with it."""
    monkeypatch.setattr(on_node, "shims_of", lambda *_: [])


async def node_of(fake, kernel, tmp_path, **settings):
    """Run a container in a pod; return the configuration and the directories of the daemon, which is gone then."""
    async with make_service(fake, kernel, tmp_path, **settings) as service:
        await Kubelet(Client(service), PAUSE, tmp_path / "logs").running_container()
    return service.config, service.paths


def of_the_plugin(fake):
    """Copy our records as containerd's own plugin would have written them; return their ids."""
    space = fake.state["k8s.io"]
    copies = {}
    for record in space.containers.values():
        copy = type(record)()
        copy.CopyFrom(record)
        copy.id = f"f{record.id[1:]}" if not record.id.startswith("f") else f"e{record.id[1:]}"
        for extension in copy.extensions.values():
            for ours in space.containers:
                theirs = f"f{ours[1:]}" if not ours.startswith("f") else f"e{ours[1:]}"
                extension.value = extension.value.replace(ours.encode(), theirs.encode())
        copies[copy.id] = copy
    space.containers.update(copies)
    return set(copies)


@pytest.mark.parametrize("infra", ["pause", "pinned"])
async def test_pods_of_the_plugin_and_images_stay(fake, kernel, tmp_path, infra):
    """They are counted, and no call that changes something names one of them."""
    config, paths = await node_of(fake, kernel, tmp_path, sandbox={"infra": infra})
    theirs = of_the_plugin(fake) if infra == "pause" else set()
    images = set(fake.state["k8s.io"].images)
    with _no_files_of_the_node(tmp_path):
        async with Containerd(fake.address, namespace="k8s.io") as client:
            before = await take_inventory(config, paths, client, OwnIds(), images=False)
            assert (len(before.names["pods"]), len(before.names["containers"])) == (1, 1)
            assert before.others["pods of containerd's CRI plugin"] == len(theirs) // 2
            assert not before.ids.all & theirs
            calls = len(fake.calls)
            assert await remove_everything(config, paths, kernel, before.ids, images=False) == {}
            after = await take_inventory(config, paths, client, before.ids, images=False)
    assert {kind for kind, names in after.names.items() if names} <= {"directories"}
    space = fake.state["k8s.io"]
    assert set(space.containers) == theirs
    assert set(space.images) == images
    assert not space.tasks
    changed = [call for call in fake.calls[calls:] if call.method.rpartition("/")[2].startswith(CHANGES)]
    assert changed
    assert not [call for call in changed if any(id_ in str(call.request) for id_ in theirs)]


async def test_an_image_goes_when_that_is_asked(fake, kernel, tmp_path):
    """Those that the CRI manages; another one stays."""
    config, paths = await node_of(fake, kernel, tmp_path)
    space = fake.state["k8s.io"]
    name = next(name for name, image in space.images.items() if not name.startswith("sha256:"))
    theirs = type(space.images[name])()
    theirs.CopyFrom(space.images[name])
    theirs.name = "theirs:1"
    theirs.labels.clear()
    space.images[theirs.name] = theirs
    with _no_files_of_the_node(tmp_path):
        async with Containerd(fake.address, namespace="k8s.io") as client:
            before = await take_inventory(config, paths, client, OwnIds(), images=True)
            assert name in before.names["images"]
            assert await remove_everything(config, paths, kernel, before.ids, images=True) == {}
    assert set(space.images) == {"theirs:1"}


async def test_what_containerd_refuses_to_remove_is_said(fake, kernel, tmp_path):
    """And the rest goes all the same."""
    config, paths = await node_of(fake, kernel, tmp_path)
    fake.faults.add("Snapshots/Remove", FaultKind.UNKNOWN, times=None, text="the disk is on fire")
    with _no_files_of_the_node(tmp_path):
        async with Containerd(fake.address, namespace="k8s.io") as client:
            before = await take_inventory(config, paths, client, OwnIds(), images=False)
            errors = await remove_everything(config, paths, kernel, before.ids, images=False)
            after = await take_inventory(config, paths, client, before.ids, images=False)
    assert any("the disk is on fire" in error for error in errors.values())
    assert after.names["pods"] == before.names["pods"]
    assert not after.names["tasks"]
    assert not after.names["networks"]


async def test_the_network_namespace_of_an_unreadable_pod_is_listed(fake, kernel, tmp_path):
    """Its record names it in the runtime spec too, as the daemon finds it for such a pod."""
    config, paths = await node_of(fake, kernel, tmp_path)
    (record,) = (one for one in fake.state["k8s.io"].containers.values() if SANDBOX_EXTENSION in one.extensions)
    spec = json.loads(record.spec.value)
    netns = tmp_path / "netns"
    netns.touch()
    next(each for each in spec["linux"]["namespaces"] if each["type"] == "network")["path"] = str(netns)
    record.spec.value = json.dumps(spec).encode()
    record.extensions[SANDBOX_EXTENSION].value = b"{"
    with _no_files_of_the_node(tmp_path):
        async with Containerd(fake.address, namespace="k8s.io") as client:
            inventory = await take_inventory(config, paths, client, OwnIds(frozenset({record.id})), images=False)
    assert inventory.names["pods"] == (f"{record.id} (unreadable)",)
    assert str(netns) in inventory.names["namespaces"]
