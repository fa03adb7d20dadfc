"""Status: whether pods can be run here, also while containerd is away."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from cri_shim.network import network
from cri_shim.network.watcher import DirectoryWatcher
from tests.fakes.containerd import FaultKind
from tests.unit.terminal.fake_runtime import daemon_info
from tests.unit.waiting import until

if TYPE_CHECKING:
    from cri_shim.api.runtime.v1 import runtime_pb2 as cri
    from tests.unit.fake_node import Node

VM = {"containerd": {"runtimes": {"vm": {"runtime_type": "io.containerd.kata.v2", "snapshotter": "devmapper"}}}}


@pytest.fixture(autouse=True)
def _polls_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often at the directory of networks: these tests change it, and have no inotify."""

    def make(directory: str, _: float) -> DirectoryWatcher:
        return DirectoryWatcher(directory, 0.2)

    monkeypatch.setattr(network, "DirectoryWatcher", make)


def conditions(answer: cri.StatusResponse) -> dict[str, cri.RuntimeCondition]:
    """Return the conditions by type."""
    return {each.type: each for each in answer.status.conditions}


async def test_a_node_that_is_ready(node: Node) -> None:
    """Both conditions hold, and the default handler is listed under its name and under none."""
    answer = await node.client.Status()
    assert all(each.status for each in answer.status.conditions)
    assert {"RuntimeReady", "NetworkReady"} <= set(conditions(answer))
    assert [each.name for each in answer.runtime_handlers] == ["", "runc"]
    assert all(each.features.recursive_read_only_mounts for each in answer.runtime_handlers)
    assert answer.features.supplemental_groups_policy
    assert not answer.info


async def test_containerd_that_is_away(node: Node) -> None:
    """The answer comes all the same, and says what is missing."""
    node.fake.faults.add("*", FaultKind.GONE)
    await node.fake.go_away()
    await until(lambda: not node.service.readiness.ready)
    ready = conditions(await node.client.Status())["RuntimeReady"]
    assert (ready.status, ready.reason) == (False, "ContainerdNotReady")
    assert ready.message


@pytest.mark.parametrize("service", [VM], indirect=True)
async def test_a_snapshotter_that_is_missing(node: Node) -> None:
    """No pod of that handler can be made, and the condition names the snapshotter."""
    ready = conditions(await node.client.Status())["RuntimeReady"]
    assert (ready.status, ready.reason) == (False, "SnapshotterNotReady")
    assert "devmapper" in ready.message


async def test_a_network_that_is_missing(node: Node) -> None:
    """The condition names the directory where a configuration is expected."""
    (node.cni.conf_dir / "10-fake.conflist").unlink()
    await until(lambda: not node.service.network.status().ready)
    answer = await node.client.Status(verbose=True)
    network = conditions(answer)["NetworkReady"]
    assert (network.status, network.reason) == (False, "NetworkPluginNotReady")
    assert str(node.cni.conf_dir) in network.message
    assert answer.info["lastCNILoadStatus"] == network.message


async def test_the_verbose_form(node: Node) -> None:
    """Its configuration is ours, with the keys that tools look for; it counts what there is."""
    await node.running()
    info = (await node.client.Status(verbose=True)).info
    config = json.loads(info["config"])
    assert config["containerdEndpoint"] == config["containerd"]["address"] == node.fake.address
    assert json.loads(info["counts"]) == {"sandboxes": 1, "containers": 1, "operations": 0}
    (network,) = json.loads(info["cniconfig"])["Networks"]
    assert (network["Config"]["Name"], network["IFName"]) == ("fake", "eth0")
    assert json.loads(info["python"])["event_loop"]
    assert info["lastCNILoadStatus"] == "OK"


def about_daemon(answer: cri.StatusResponse) -> dict[str, Any]:
    """Return what a verbose Status says of the daemon itself."""
    own: dict[str, Any] = json.loads(answer.info["daemon"])
    return own


def parts(answer: cri.StatusResponse) -> dict[str, Any]:
    """Return the parts by name."""
    return {each["name"]: each for each in about_daemon(answer)["parts"]}


@pytest.mark.parametrize("service", [{"http": {"address": ""}}], indirect=True)
async def test_the_daemon_says_how_it_is_itself(node: Node) -> None:
    """Every part works, and its numbers are there; the names are those that the fake of `cri-shim status` has."""
    await node.running()
    answer = await node.client.Status(verbose=True)
    own = about_daemon(answer)
    assert own.keys() == daemon_info().keys() | {"socket", "streaming_url", "front_known"}
    assert own["pid"] == os.getpid()
    assert own["pods"] == {"ready": 1}
    assert own["containers"] == {"running": 1}
    assert own["images"] >= 1
    assert [each["ready"] for each in own["parts"]] == [True, True, True, True, True, None, True]
    assert parts(answer)["network"]["detail"] == "fake"
    assert parts(answer)["explorer"]["reason"] == "it is off"
    assert "daemon" not in (await node.client.Status()).info


async def test_containerd_that_comes_back_leaves_its_last_error(node: Node) -> None:
    """While it is away nothing is claimed of its snapshotters; afterwards its absence is still known."""
    began = time.time()
    node.fake.faults.add("*", FaultKind.GONE)
    await node.fake.go_away()
    await until(lambda: not node.service.readiness.ready)
    away = parts(await node.client.Status(verbose=True))
    assert away["containerd"]["ready"] is False
    assert away["containerd"]["last_error"] == away["containerd"]["reason"] != ""
    assert away["containerd"]["since"] >= began - 1
    assert away["snapshotters"]["ready"] is None
    assert away["network"]["ready"] is True
    node.fake.faults.clear()
    await node.fake.come_back()
    await until(lambda: node.service.readiness.ready)
    back = parts(await node.client.Status(verbose=True))
    assert back["containerd"]["ready"] is True
    assert back["containerd"]["reason"] == ""
    assert back["containerd"]["last_error"] == away["containerd"]["last_error"]
    assert back["snapshotters"]["ready"] is True


async def test_a_network_that_came_leaves_its_last_error(node: Node) -> None:
    """Since when it is there, and what was wrong before."""
    file = node.cni.conf_dir / "10-fake.conflist"
    text = file.read_text()
    file.unlink()
    await until(lambda: not node.service.network.status().ready)
    gone = parts(await node.client.Status(verbose=True))["network"]
    assert (gone["ready"], gone["last_error"]) == (False, gone["reason"])
    file.write_text(text)
    await until(lambda: node.service.network.status().ready)
    back = parts(await node.client.Status(verbose=True))["network"]
    assert (back["ready"], back["last_error"]) == (True, gone["reason"])
    assert back["since"] >= gone["since"]


async def test_a_pull_that_failed_is_the_last_error_of_images(node: Node) -> None:
    """The sandbox image is here all the same."""
    with pytest.raises(grpc.aio.AioRpcError):
        await node.client.PullImage(image={"image": "127.0.0.1:9/none:1"})
    image = parts(await node.client.Status(verbose=True))["sandbox image"]
    assert image["ready"] is True
    assert "127.0.0.1:9/none:1" in image["last_error"]


@pytest.mark.parametrize("service", [{"image": {"sandbox_image": "127.0.0.1:9/absent:1"}}], indirect=True)
async def test_a_sandbox_image_that_is_absent_is_neither_good_nor_bad(node: Node) -> None:
    """Only a pull shows whether it can be had."""
    await node.client.RemoveImage(image={"image": "127.0.0.1:9/absent:1"})
    image = parts(await node.client.Status(verbose=True))["sandbox image"]
    assert image["ready"] is None
    assert "not here yet" in image["reason"]


async def test_a_configuration_that_was_refused_or_waits_for_a_restart(node: Node) -> None:
    """The daemon works on with other settings than its file has, which the operator should know."""
    facts = node.service.facts
    facts.note_reload(refused="c.toml:1: log_level: is 'loud'")
    refused = parts(await node.client.Status(verbose=True))["configuration"]
    assert refused["ready"] is False
    assert "the settings from before are in use: c.toml:1" in refused["reason"]
    facts.note_reload(restart_needed=["root", "state"])
    waiting = parts(await node.client.Status(verbose=True))["configuration"]
    assert (waiting["ready"], waiting["reason"]) == (None, "a restart is needed for root, state")
    assert waiting["last_error"] == "c.toml:1: log_level: is 'loud'"
    facts.note_reload()
    assert parts(await node.client.Status(verbose=True))["configuration"]["ready"] is True
