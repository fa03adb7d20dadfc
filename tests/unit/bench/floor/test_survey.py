"""What is read from a running pod of a side, and what is said where no floor can be measured."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.bench.floor import survey as survey_module
from cri_shim.bench.floor.errors import FloorError
from cri_shim.bench.floor.survey import FloorPrograms, read_pod, survey
from cri_shim.bench.floor_task import floor_node, with_floor
from cri_shim.bench.options import Options
from cri_shim.bench.plan import plan
from cri_shim.bench.scenarios.floor import NAME, PAUSE_OPTION, Floor, needs_pause
from tests.unit.bench.floor.made_up import recipe, spec, write_plugin


@pytest.fixture(autouse=True)
def layers(monkeypatch):
    """Processes have layers named by their ids."""
    monkeypatch.setattr(survey_module, "layers_of", lambda pid: (f"/layers/{pid}", ()))


def pod() -> Any:
    return SimpleNamespace(id="POD", container_id="CONTAINER", config=cri.PodSandboxConfig(hostname="box"))


def test_a_pod_with_pause_gives_both_specs(tmp_path):
    """Files and folders that have the pod's id in their path are the pod's; others are the node's."""
    hosts, secrets, other = tmp_path / "POD" / "hosts", tmp_path / "POD" / "secrets", tmp_path / "resolv.conf"
    secrets.mkdir(parents=True)
    for file in (hosts, other):
        file.write_text(file.name)
    mounts = [{"destination": "/x", "type": "bind", "source": str(path)} for path in (hosts, secrets, other)]
    container, pause = spec(mounts=mounts), spec()
    pause["linux"]["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": "0"}
    seen = read_pod(pod(), {"pid": 12, "runtimeSpec": container}, {"pid": 11, "runtimeSpec": pause})
    assert seen.has_pause
    assert seen.container is not None
    assert seen.pause is not None
    assert (seen.container.spec, seen.container.lower) == (container, "/layers/12")
    assert (seen.pause.spec, seen.pause.lower) == (pause, "/layers/11")
    assert seen.files == {str(hosts): "hosts"}
    assert seen.folders == (str(secrets),)
    assert seen.sysctls == {"net/ipv4/ip_unprivileged_port_start": "0"}
    assert seen.hostname == "box"


@pytest.mark.parametrize("of_process", [{"pid": 0}, {}])
def test_a_pinned_pod_has_no_pause(of_process):
    """Its sandbox has no process (CRI-O leaves the field out); sysctls stand in what it has of a spec."""
    sandbox = {**of_process, "runtimeSpec": {"process": {}, "linux": {"sysctl": {"net.x": "1"}}}}
    seen = read_pod(pod(), {"pid": 12, "runtimeSpec": spec()}, sandbox)
    assert (seen.has_pause, seen.pause, seen.sysctls) == (False, None, {"net/x": "1"})


def test_a_side_without_an_answer_is_taken_to_have_a_pause_process():
    """cri-dockerd answers a verbose status with nothing more than a plain one."""
    seen = read_pod(pod(), {}, {})
    assert (seen.has_pause, seen.container) == (True, None)


async def test_without_root_it_is_said(monkeypatch, tmp_path):
    """Before a pod is run for it."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(FloorError, match="needs root"):
        await survey([], FloorPrograms(), tmp_path, "/parent")


async def test_without_runc_it_is_said(monkeypatch, tmp_path):
    """The program is named."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FloorError, match="the program runc is not in any folder of PATH"):
        await survey([], FloorPrograms(), tmp_path, "/parent")
    with pytest.raises(FloorError, match="install crun"):
        await survey([], FloorPrograms("crun"), tmp_path, "/parent")


class FakeStatus:
    """A side that says where its CNI configuration is."""

    def __init__(self, info: dict[str, str]):
        self.client = self
        self.info = info

    async def ask(self, *_):
        return cri.StatusResponse(info=self.info)


async def test_the_network_is_the_one_that_the_side_uses(tmp_path):
    """The first file of its folder; every program of it must be there, that of the addresses too."""
    conf = {"cniVersion": "1.0.0", "name": "net", "plugins": [{"type": "first", "ipam": {"type": "second"}}]}
    (tmp_path / "10-net.conflist").write_text(json.dumps(conf))
    answers_of = {"PluginConfDir": str(tmp_path), "PluginDirs": [str(tmp_path / "bin")]}
    side: Any = FakeStatus({"cniconfig": json.dumps(answers_of)})
    write_plugin(tmp_path, "first")
    with pytest.raises(FloorError, match="the CNI plugin second is not in"):
        await survey_module._network(side, "", ())
    write_plugin(tmp_path, "second")
    network = await survey_module._network(side, "", ())
    assert (network.name, network.version, network.plugins) == ("net", "1.0.0", tuple(conf["plugins"]))
    assert network.bin_dirs == (str(tmp_path / "bin"),)


async def test_a_folder_without_a_configuration_is_named(tmp_path):
    """And the option for another."""
    side: Any = FakeStatus({})
    with pytest.raises(FloorError, match=rf"{tmp_path} has none; name its folder with --cni-conf-dir"):
        await survey_module._network(side, str(tmp_path), ())


async def test_what_cannot_be_measured_is_left_out_and_the_rest_stays(monkeypatch, tmp_path):
    """The reason is a sentence for the report."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    tasks = plan(Options(scenarios=("life", "floor")))
    ready, reason = await with_floor(tasks, [], floor_node("/parent"), tmp_path, FloorPrograms())
    assert [task.step.scenario for task in ready] == ["life"]
    assert reason.startswith("the scenario `floor` is left out: ")
    assert "needs root" in reason


async def test_what_was_not_asked_for_is_not_looked_at(tmp_path):
    """Without the scenario no side is touched."""
    tasks = plan(Options(scenarios=("life",)))
    assert await with_floor(tasks, [], floor_node("/parent"), tmp_path, FloorPrograms()) == (tasks, "")


def test_options_say_what_the_rounds_depend_on(tmp_path):
    """Rounds with other plugins, or with sides that have become pinned, are not mixed."""
    scenario = Floor()
    assert scenario.options == {}
    scenario.use(survey_module.Survey(recipe(tmp_path), "a", ("a", "c")), tmp_path)
    assert scenario.options == {"CNI plugins": "first, second", PAUSE_OPTION: "a, c"}
    assert [needs_pause(side, scenario.options) for side in ("a", "b", "c")] == [True, False, True]
    assert "**a**" in scenario.about
    assert NAME == "floor"
