"""Pods with a user namespace of their own, when the daemon goes and comes back under them."""

from __future__ import annotations

import asyncio
import os

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.pod_configs import sh
from tests.integration.daemon.conftest import run_pod

pytestmark = pytest.mark.usefixtures("nothing_left")

FIRST, SIZE = 1_000_000, 65_536


def mapping():
    """A user namespace of ids that no user of the node has."""
    line = cri.IDMapping(host_id=FIRST, container_id=0, length=SIZE)
    return cri.UserNamespace(mode=cri.POD, uids=[line], gids=[line])


def volume(source):
    """A volume that shows the pod's ids."""
    ids = mapping()
    return cri.Mount(container_path="/volume", host_path=str(source), uidMappings=ids.uids, gidMappings=ids.gids)


async def run(lab):
    """A pod with mapped ids; skips where the node cannot have one."""
    features = {each.name: each.features for each in (await lab.client.Status()).runtime_handlers}
    if not features[""].user_namespaces:
        pytest.skip("this node cannot give pods user namespaces")
    return await run_pod(lab, userns=mapping())


def crash(lab):
    """kill -9 and the next start."""
    lab.bridge.kill9()
    lab.bridge.start()


def restart(lab):
    """SIGTERM and the next start."""
    lab.bridge.restart()


def mapped_mounts(lab):
    """What is mounted with mapped ids at this moment, and the places for it."""
    places = lab.bridge.state / "idmapped"
    return list(places.iterdir()) if places.exists() else []


@pytest.mark.parametrize("away", [crash, restart])
async def test_a_pod_goes_on(lab, tmp_path, away):
    """Mapping, files and output of running containers are what they were; what starts later joins."""
    pod = await run(lab)
    container = await pod.start(userns=mapping(), command=sh("while :; do echo tick; sleep 0.1; done"))
    waiting = await pod.create(
        userns=mapping(), mounts=[volume(tmp_path)], command=sh("touch /volume/made && cat /proc/self/uid_map")
    )
    namespace = await container.output("readlink /proc/self/ns/user")
    before = await pod.status()
    await asyncio.to_thread(away, lab)
    assert await pod.status() == before
    assert await container.output("id -u; cat /proc/self/uid_map | tr -s ' '") == f"0\n 0 {FIRST} {SIZE}"
    seen = len(container.entries())
    await container.until(lambda _: len(container.entries()) > seen)
    # Created before, started after: its volume was noted down, and its root file system is mounted anew.
    await waiting.start()
    assert (await waiting.ended()).exit_code == 0
    assert str(FIRST) in await waiting.logged(str(FIRST))
    assert ((tmp_path / "made").stat().st_uid, (tmp_path / "made").stat().st_gid) == (0, 0)
    later = await pod.start(userns=mapping())
    assert await later.output("readlink /proc/self/ns/user") == namespace != os.readlink("/proc/self/ns/user")
    await container.stop()
    await pod.remove()
    assert mapped_mounts(lab) == []


@pytest.mark.parametrize("moment", [0.02, 0.05, 0.1, 0.15, 0.2, 0.3])
async def test_killed_while_containers_start(lab, moment):
    """Killed while mounts with mapped ids may be there: none is afterwards, and the pod can be used and removed."""
    pod = await run(lab)
    created = [await pod.create(userns=mapping()) for _ in range(3)]
    starts = [asyncio.create_task(container.start()) for container in created]
    await asyncio.sleep(moment)
    await asyncio.to_thread(crash, lab)
    await asyncio.gather(*starts, return_exceptions=True)
    again = await pod.start(userns=mapping())
    assert await again.output("id -u") == "0"
    await pod.remove()
    assert mapped_mounts(lab) == []


@pytest.mark.parametrize("moment", [0.02, 0.05, 0.1, 0.15, 0.2])
async def test_killed_while_pods_are_made(lab, moment):
    """Killed while a pod's namespaces are made: what is listed can be removed, what is not has left nothing."""
    await (await run(lab)).remove()
    making = [asyncio.create_task(run_pod(lab, userns=mapping())) for _ in range(3)]
    await asyncio.sleep(moment)
    await asyncio.to_thread(crash, lab)
    await asyncio.gather(*making, return_exceptions=True)
    await lab.remove_all()
    assert mapped_mounts(lab) == []
