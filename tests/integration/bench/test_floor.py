"""The floor with real parts: its pods are the plugin's pods, and nothing of them stays, not even after a SIGKILL."""

from __future__ import annotations

import asyncio
import os
import re
import time
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from cri_shim.bench.clients.client import Client
from cri_shim.bench.clients.grpc_caller import GrpcCaller
from cri_shim.bench.endpoint.node import Node, Samples, next_name
from cri_shim.bench.endpoint.pod import Pod
from cri_shim.bench.endpoint.pod_configs import Place
from cri_shim.bench.floor import leftovers, recipe
from cri_shim.bench.floor.errors import FloorError
from cri_shim.bench.floor.pod import Pod as FloorPod
from cri_shim.bench.floor.process import FloorProcess
from cri_shim.bench.floor.recipe import ORDERS, WITH_PAUSE, WITHOUT_PAUSE, Variant
from cri_shim.bench.floor.runc import Runc
from cri_shim.bench.floor.survey import FloorPrograms, Survey, survey
from cri_shim.kernel.mountinfo import read_mountinfo
from lab.cni import PLUGINS
from lab.lab import Lab

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.root, pytest.mark.timeout(300)]
CGROUPS = Path("/sys/fs/cgroup")


@dataclass
class Side:
    """A plugin with its network, and what was read from it."""

    lab: Lab
    node: Node
    survey: Survey
    states: Path


@asynccontextmanager
async def side(kind: str = "plugin", **settings) -> AsyncIterator[Side]:
    """A lab and the survey of it; at the end nothing of a script may be left."""
    async with Lab(kind, settings=settings) as lab, Client(lab.endpoint, GrpcCaller(lab.endpoint)) as client:  # type: ignore[arg-type]
        node = Node(kind, client, Place(lab.busybox, lab.logs, lab.cgroup_parent))
        await node.have_image()
        disk = lab.directory / "layers"
        survey_result = await survey([node], FloorPrograms(), disk, f"{lab.cgroup_parent}-floor")
        assert lab.network.reservations() == []
        yield Side(lab, node, survey_result, lab.directory / "states")
        assert lab.network.reservations() == []
        assert lab.network.veths() == []
        assert not [mount.path for mount in read_mountinfo() if str(lab.directory / "states") in mount.path]
        assert not list(disk.iterdir()) if disk.exists() else True
        assert not list((lab.directory / "states").iterdir()) if (lab.directory / "states").exists() else True
        assert not cgroups_of(survey_result)


@pytest.fixture(autouse=True)
def _needs_root():
    if os.geteuid() != 0:
        pytest.skip("needs root")


def cgroups_of(survey_result: Survey) -> list[Path]:
    own = survey_result.recipe.cgroup_parent.strip("/")
    return [top / own for top in (CGROUPS, *CGROUPS.iterdir()) if (top / own).exists()]


async def inside(pid: int) -> dict[str, object]:
    """What a container's first process is given, as the node sees it; names of one pod are left out."""
    await until(lambda: b"init" not in Path(f"/proc/{pid}/cmdline").read_bytes())  # `runc start` does not wait for it
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    mounts = [
        (mount.path, mount.fstype, mount.options, mount.fstype != "overlay" and mount.super_options)
        for mount in read_mountinfo(f"/proc/{pid}/mountinfo")
    ]
    cgroups = Path(f"/proc/{pid}/cgroup").read_text()
    limits = [
        (CGROUPS / hierarchy / group.lstrip("/") / file).read_text()
        for hierarchy, file, group in (
            ("memory", "memory.limit_in_bytes", re.findall(r":memory:(.*)", cgroups)),
            ("cpu", "cpu.shares", re.findall(r":cpu[^:]*:(.*)", cgroups)),
            ("", "memory.max", re.findall(r"0::(.*)", cgroups)),
        )
        for group in group
        if (CGROUPS / hierarchy / group.lstrip("/") / file).exists()
    ]
    return {
        "status": [status[name] for name in ("Seccomp", "CapEff", "CapBnd", "NoNewPrivs", "Uid", "Gid", "Groups")],
        "mounts": mounts,
        "oom": Path(f"/proc/{pid}/oom_score_adj").read_text(),
        "limits": limits,
        "command": Path(f"/proc/{pid}/cmdline").read_bytes(),
        "hosts": Path(f"/proc/{pid}/root/etc/hosts").read_text()
        if Path(f"/proc/{pid}/root/etc/hosts").exists()
        else "",
        "interfaces": sorted(re.findall(r"^\s*(\S+):", Path(f"/proc/{pid}/net/dev").read_text(), re.MULTILINE)),
    }


def namespaces(pid: int) -> dict[str, str]:
    return {name: os.readlink(f"/proc/{pid}/ns/{name}") for name in ("net", "ipc", "uts", "pid", "mnt")}


async def test_the_scripts_pod_is_the_plugins_pod():
    """Both processes are given what the plugin gives its own, and the container shares what it shares there."""
    async with side() as plugin:
        theirs = Pod.of(plugin.node, next_name("theirs"))
        await theirs.start(Samples())
        about = await plugin.lab.client.ContainerStatus(container_id=theirs.container_id, verbose=True)
        about_pod = await plugin.lab.client.PodSandboxStatus(pod_sandbox_id=theirs.id, verbose=True)
        theirs_pids = [msgspec.json.decode(answer.info["info"])["pid"] for answer in (about, about_pod)]
        wanted = [await inside(pid) for pid in theirs_pids]
        await theirs.end(Samples())

        what = plugin.survey.recipe
        with leftovers.own_folder(what, plugin.states) as state:
            runc = Runc(what.runc, state / "runc")
            for order in ORDERS:
                with closing(FloorPod(what, runc, state / "pods" / f"floor-{order}", WITH_PAUSE)) as pod:
                    pod.start(order)
                    pids = [int((pod.folder / name / "pid").read_text()) for name in ("container", "pause")]
                    assert [await inside(pid) for pid in pids] == wanted
                    container, pause = map(namespaces, pids)
                    assert {name for name in container if container[name] == pause[name]} == {"net", "ipc", "uts"}
                    assert not set(container.values()) & set(namespaces(os.getpid()).values())
                    assert plugin.lab.network.reservations()
                    assert cgroups_of(plugin.survey)
                    pod.end(order)


async def test_every_kind_and_order_of_pod_is_timed():
    """The script answers each turn with times and stages, in which runc and each plugin stand."""
    async with side() as plugin, script(plugin) as floor:
        assert plugin.survey.with_pause == ("plugin",)
        assert plugin.survey.recipe.network.bin_dirs == (str(PLUGINS),)
        for kind in plugin.survey.recipe.kinds:
            for order in ORDERS:
                outcome = await floor.make_pod(Variant(kind, order))
                chain = plugin.survey.recipe.network.plugins
                wanted = {f"CNI {command} {each['type']}" for command in ("ADD", "DEL") for each in chain}
                assert set(outcome.stages) >= {*wanted, "runc create container", "runc delete container"}
                assert ("runc create pause" in outcome.stages) == (kind == WITH_PAUSE)
                assert outcome.start > 0
                if order == "serial":
                    assert sum(outcome.stages.values()) <= outcome.start + outcome.end


async def test_a_side_without_pause_has_a_floor_without_pause():
    """Only the application's container is made, in namespaces that have the side's sysctls."""
    async with side("bridge", sandbox={"infra": "pinned"}) as bridge, script(bridge) as floor:
        assert bridge.survey.with_pause == ()
        assert bridge.survey.recipe.kinds == (WITHOUT_PAUSE,)
        assert bridge.survey.recipe.sysctls["net/ipv4/ip_unprivileged_port_start"] == "0"
        outcome = await floor.make_pod(Variant(WITHOUT_PAUSE, "overlapped"))
        assert outcome.start > 0


async def test_a_step_that_fails_is_named_and_leaves_nothing():
    """runc refuses a spec, then a plugin fails; the script goes on with the next turn."""
    async with side() as plugin:
        good = plugin.survey.recipe
        spec = good.container.spec
        no_program = {**spec, "process": {**spec["process"], "args": ["/not-there"]}}
        broken = msgspec.structs.replace(good, container=msgspec.structs.replace(good.container, spec=no_program))
        async with script(plugin, broken) as floor:
            for order in ORDERS:
                with pytest.raises(FloorError, match=r"runc (create|start) failed: .*not-there"):
                    await floor.make_pod(Variant(WITH_PAUSE, order))
        chain = (*good.network.plugins, {"type": "false"})
        bad_network = msgspec.structs.replace(good.network, plugins=chain, bin_dirs=(*good.network.bin_dirs, "/bin"))
        async with script(plugin, msgspec.structs.replace(good, network=bad_network)) as floor:
            with pytest.raises(
                FloorError, match=r"CNI ADD of false failed: exit code 1; and while it was undone: CNI DEL of false"
            ):
                await floor.make_pod(Variant(WITH_PAUSE, "overlapped"))


async def test_what_a_killed_script_has_left_is_removed_by_the_next():
    """SIGKILL in the middle of a pod: containers, mounts, the address and the layers are there until then."""
    async with side() as plugin:
        async with script(plugin) as floor:
            making = asyncio.create_task(floor.make_pod(Variant(WITH_PAUSE, "serial")))
            await until(lambda: list(plugin.states.glob("*/runc/*-container")))
            assert floor._process is not None
            floor._process.kill()
            with pytest.raises(FloorError, match="the script of the floor ended"):
                await making
        assert list(plugin.states.glob("*/runc/*"))
        assert plugin.lab.network.reservations()
        async with script(plugin) as floor:
            assert not list(plugin.states.glob("*/runc/*"))
            await floor.make_pod(Variant(WITH_PAUSE, "serial"))


@asynccontextmanager
async def script(plugin: Side, what: recipe.Recipe | None = None) -> AsyncIterator[FloorProcess]:
    """The script's process, with its folders below the lab's."""
    async with FloorProcess(what or plugin.survey.recipe, plugin.lab.directory / "floor", plugin.states) as floor:
        yield floor


async def until(is_so, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)
