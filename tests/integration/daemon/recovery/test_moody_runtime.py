"""A runtime that refuses at ``start``, or hangs there: which requests say so, and which have to wait."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
import pytest
import pytest_asyncio

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure
from lab.lab import Lab
from tests.integration.daemon.conftest import run_pod

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("nothing_left")

# In front of runc, and under its name. The sleep is a child that keeps the output open: killing the shell alone would
# not end the wait for it.
RUNTIME = """#!/bin/sh
for argument in "$@"; do
  case "$argument/$(cat {mood})" in
    create/hang-create | kill/hang-kill) sleep 600 ;;
    delete/slow-delete) sleep 1 ;;
  esac
  if [ "$argument" = start ]; then
    case "$(cat {mood})" in
      refuse-later) while [ -e {mood}.wait ]; do sleep 0.05; done; echo "the runtime is in a bad mood" >&2; exit 1 ;;
      refuse) echo "the runtime is in a bad mood" >&2; exit 1 ;;
      hang) sleep 600 ;;
    esac
  fi
done
exec {runc} "$@"
"""
WORDS = "the runtime is in a bad mood"


@dataclass(slots=True)
class MoodyLab(Lab):
    """A node whose containerd finds our runtime where it looks for runc."""

    def prepare(self) -> None:
        """Put the runtime on containerd's PATH."""
        Lab.prepare(self)
        before = self.containerd.daemon.environment
        path = f"{self.directory / 'bin'}:{before.get('PATH', os.environ['PATH'])}"
        self.containerd.daemon.environment = {**before, "PATH": path}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def _moody_node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Lab, Path]]:
    runc = shutil.which("runc")
    if shutil.which("containerd") is None or runc is None:
        pytest.skip("containerd or runc is not installed")
    lab = MoodyLab("bridge")
    mood, program = lab.directory / "mood", lab.directory / "bin" / "runc"
    program.parent.mkdir()
    mood.write_text("")
    program.write_text(RUNTIME.format(mood=mood, runc=runc))
    program.chmod(0o755)
    named = {"runtime_type": "io.containerd.runc.v2", "options": {"BinaryName": str(program)}}
    # The runtime is asked to send signals, which the daemon could do by itself.
    lab.settings = {"containerd": {"runtimes": {"named": named}, "direct_signals": False}}
    async with lab:
        yield lab, mood


@pytest.fixture(scope="module")
def _node(_moody_node: tuple[Lab, Path]) -> Lab:
    return _moody_node[0]


@pytest.fixture
def mood(_moody_node: tuple[Lab, Path]) -> Iterator[Path]:
    """``refuse`` or ``hang``; empty for a good mood."""
    yield _moody_node[1]
    _moody_node[1].write_text("")


async def until_start_failed(lab: Lab, pod: str, seconds: float = 10.0) -> None:
    """Wait for the log to say that a pod's pause container could not be started."""
    async with asyncio.timeout(seconds):
        while not any("sandbox.start_failed" in line and pod in line for line in lab.bridge.log.splitlines()):
            await asyncio.sleep(0.05)


async def test_plain_runc_that_refuses(lab, mood):
    """RunPodSandbox has answered by then: later requests for the pod fail with the runtime's words."""
    waiting = mood.with_name(f"{mood.name}.wait")
    waiting.touch()
    mood.write_text("refuse-later")
    pod = await run_pod(lab)
    waiting.unlink()
    await until_start_failed(lab, pod.id)
    assert (await pod.status()).state == cri.SANDBOX_NOTREADY
    asked = [pod.create(), lab.client.PortForward(pod_sandbox_id=pod.id, port=[80])]
    for code, why in [await failure(one) for one in asked]:
        assert code == grpc.StatusCode.FAILED_PRECONDITION
        assert "is not running" in why
        assert WORDS in why
    verbose = await lab.client.PodSandboxStatus(pod_sandbox_id=pod.id, verbose=True)
    assert WORDS in json.loads(verbose.info["info"])["notReadyReason"]
    await pod.remove()


async def test_the_container_that_waited(lab, mood):
    """A container that was created before the start failed cannot be started, and its start says why."""
    mood.write_text("hang")
    pod = await run_pod(lab)
    container = await pod.create()
    starting = asyncio.ensure_future(failure(lab.client.StartContainer(container_id=container.id)))
    await lab.client.StopPodSandbox(pod_sandbox_id=pod.id)
    code, why = await starting
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert "its start failed" in why
    code, why = await failure(lab.client.ExecSync(container_id=container.id, cmd=["true"]))
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert "its start failed" in why
    await pod.remove()
    mood.write_text("")
    other = await run_pod(lab)
    await other.start()
    await other.remove()


async def test_a_runtime_that_is_not_plainly_runc(lab, mood):
    """It is waited for, and RunPodSandbox itself fails with its words and leaves nothing."""
    pod = await run_pod(lab, handler="named")
    await (await pod.start()).stop()
    await pod.remove()
    mood.write_text("refuse")
    before = len((await lab.client.ListPodSandbox()).items)
    code, why = await failure(run_pod(lab, handler="named"))
    assert code == grpc.StatusCode.UNKNOWN
    assert WORDS in why
    assert len((await lab.client.ListPodSandbox()).items) == before


async def test_a_container_whose_start_hangs(lab, mood):
    """It can be stopped, and its pod removed, although the shim waits for the runtime."""
    pod = await run_pod(lab)
    container = await pod.start()
    hanging = await pod.create()
    mood.write_text("hang")
    starting = asyncio.ensure_future(failure(lab.client.StartContainer(container_id=hanging.id)))
    await asyncio.sleep(0.5)
    await lab.client.StopContainer(container_id=hanging.id, timeout=1)
    await starting
    mood.write_text("")
    assert await container.output("echo fine") == "fine"
    assert (await hanging.status()).state == cri.CONTAINER_EXITED
    await pod.remove()


async def test_a_container_that_hangs_when_it_is_made(lab, mood):
    """Its pod can be stopped and removed, although the shim hears nothing as long as the runtime is at it."""
    pod = await run_pod(lab)
    container = await pod.create()
    mood.write_text("hang-create")
    starting = asyncio.ensure_future(failure(lab.client.StartContainer(container_id=container.id)))
    await asyncio.sleep(0.5)
    await pod.stop()
    code, why = await starting
    assert code == grpc.StatusCode.UNKNOWN
    assert "Tasks/Create" in why
    await pod.remove()


async def test_a_runtime_that_has_hung_at_a_signal(lab, mood):
    """Its shim would be deaf for ever to a later signal, for a child of the runtime keeps the output open."""
    pod = await run_pod(lab)
    container = await pod.start()
    mood.write_text("hang-kill")
    code, why = await failure(lab.client.StopContainer(container_id=container.id, timeout=1))
    assert code == grpc.StatusCode.UNAVAILABLE
    assert "does not answer" in why
    mood.write_text("")
    await pod.remove()


async def test_two_removals_of_one_container(lab, mood):
    """The later one finds that the earlier one has done it all, which is success."""
    pod = await run_pod(lab)
    container = await pod.start()
    mood.write_text("slow-delete")
    await container.stop()
    await asyncio.gather(container.remove(), lab.client.RemovePodSandbox(pod_sandbox_id=pod.id))
    assert not (await lab.client.ListContainers()).containers
