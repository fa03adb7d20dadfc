"""CreateContainer, StartContainer, StopContainer, RemoveContainer: states, exit codes, reasons, times, signals."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure
from lab.pod_configs import sh

UNKNOWN_ID = "0" * 64


@pytest.mark.proves("RuntimeService.CreateContainer", "RuntimeService.StartContainer")
async def test_states_and_times_from_created_to_exited(pod):
    """A container is CREATED, RUNNING, EXITED; its times are set one after the other, in order."""
    before = time.time_ns()
    container = await pod.create(command=sh("sleep 0.1"))
    created = await container.status()
    assert created.state == cri.CONTAINER_CREATED
    assert (created.started_at, created.finished_at) == (0, 0)
    await container.start()
    running = await container.status()
    if running.state == cri.CONTAINER_RUNNING:
        assert running.finished_at == 0
    exited = await container.ended()
    assert before <= created.created_at <= exited.started_at <= exited.finished_at <= time.time_ns()
    assert created.created_at == exited.created_at
    assert (exited.exit_code, exited.reason) == (0, "Completed")


async def test_an_exit_code_is_reported(pod):
    """A process that ends with 42 gives exit code 42 and the reason Error."""
    container = await pod.start(command=sh("exit 42"))
    status = await container.ended()
    assert (status.exit_code, status.reason) == (42, "Error")


async def test_death_by_signal_is_128_and_the_signal(pod):
    """A process that is killed by SIGKILL from outside has exit code 137."""
    container = await pod.start(command=("sleep", "60"))
    await container.stop(timeout=0)
    status = await container.ended()
    assert (status.exit_code, status.reason) == (137, "Error")


@pytest.mark.proves("RuntimeService.StopContainer")
async def test_stop_gives_grace(pod):
    """A process that handles SIGTERM ends by itself within the grace period, with its own exit code."""
    container = await pod.start(command=sh("trap 'exit 7' TERM; echo up; while :; do sleep 60 & wait $!; done"))
    await container.logged("up")
    started = time.monotonic()
    await container.stop(timeout=20)
    assert time.monotonic() - started < 5
    status = await container.status()
    assert (status.state, status.exit_code) == (cri.CONTAINER_EXITED, 7)


async def test_stop_kills_after_the_grace_period(pod):
    """A process that ignores SIGTERM is killed when the grace period of a second is over."""
    container = await pod.start(command=sh("trap '' TERM; echo up; while :; do sleep 0.1; done"))
    await container.logged("up")
    started = time.monotonic()
    await container.stop(timeout=1)
    assert 0.9 < time.monotonic() - started < 5
    assert (await container.status()).exit_code == 137


async def test_stop_without_grace_kills(pod):
    """With timeout 0 the process is killed at once."""
    container = await pod.start(command=sh("trap 'exit 7' TERM; echo up; while :; do sleep 60 & wait $!; done"))
    await container.logged("up")
    await container.stop(timeout=0)
    assert (await container.status()).exit_code == 137


async def test_the_images_stop_signal_is_used(node, pod):
    """StopContainer sends the STOPSIGNAL of the image."""
    image = await node.pull("stopsignal:1", stop_signal="SIGUSR1")
    script = "trap 'exit 11' USR1; trap 'exit 12' TERM; echo up; while :; do sleep 60 & wait $!; done"
    container = await pod.start(image=image, command=sh(script))
    await container.logged("up")
    await container.stop(timeout=20)
    assert (await container.status()).exit_code == 11


async def test_stopping_what_does_not_run_succeeds(pod):
    """StopContainer of a created, an exited and a stopped container succeeds and changes nothing."""
    created = await pod.create()
    await created.stop()
    assert (await created.status()).state == cri.CONTAINER_CREATED
    exited = await pod.start(command=sh("exit 3"))
    before = await exited.ended()
    await exited.stop(timeout=5)
    assert await exited.status() == before


@pytest.mark.plugin_differs(
    "1.6 answers NotFound where the CRI wants stopping an unknown container to succeed", before="1.7"
)
async def test_stopping_an_unknown_container_succeeds(client):
    """StopContainer of an unknown id succeeds."""
    await client.StopContainer(container_id=UNKNOWN_ID, timeout=0)


async def test_removing_an_unknown_container_succeeds(client):
    """RemoveContainer of an unknown id succeeds."""
    await client.RemoveContainer(container_id=UNKNOWN_ID)


@pytest.mark.proves("RuntimeService.RemoveContainer")
async def test_a_removed_container_is_gone(pod, client):
    """After RemoveContainer the container is unknown, and removing it again succeeds."""
    container = await pod.start(command=sh("exit 0"))
    await container.ended()
    await container.remove()
    assert (await failure(container.status()))[0] == grpc.StatusCode.NOT_FOUND
    assert not (await client.ListContainers(filter={"id": container.id})).containers
    await container.remove()


async def test_a_created_container_can_be_removed(pod):
    """A container that was never started can be removed."""
    container = await pod.create()
    await container.remove()
    assert (await failure(container.status()))[0] == grpc.StatusCode.NOT_FOUND


async def test_a_running_container_is_killed_by_removal(pod):
    """RemoveContainer of a running container ends it and removes it."""
    container = await pod.start()
    await container.remove()
    assert (await failure(container.status()))[0] == grpc.StatusCode.NOT_FOUND


@pytest.mark.proves("ContainerMetadata.name", "ContainerMetadata.attempt")
async def test_a_name_is_free_again_after_removal(pod):
    """The name of a removed container can be used again, and so can a name with the next attempt."""
    container = await pod.create("same")
    await container.remove()
    again = await pod.create("same")
    other = await pod.create("same", attempt=1)
    assert len({container.id, again.id, other.id}) == 3


async def test_the_same_name_never_makes_two_containers(node, pod, client):
    """A second CreateContainer with the same name and attempt gives the same container or an error."""
    container = await pod.create("once")
    try:
        again = await pod.create("once")
    except grpc.aio.AioRpcError as error:
        assert node.kind != "bridge", "the bridge gives a retried request the finished container"
        assert "once" in (error.details() or "")
    else:
        assert again.id == container.id
    containers = (await client.ListContainers(filter={"pod_sandbox_id": pod.id})).containers
    assert [each.id for each in containers if each.metadata.name == "once"] == [container.id]


async def test_a_command_that_is_not_there_fails_the_start(pod):
    """StartContainer names the missing program; the container is EXITED with code 128 and reason StartError."""
    container = await pod.create(command=("no-such-program",))
    _, message = await failure(container.client.StartContainer(container_id=container.id))
    assert "no-such-program" in message
    status = await container.status()
    assert status.state == cri.CONTAINER_EXITED
    assert (status.exit_code, status.reason) == (128, "StartError")
    assert "no-such-program" in status.message


@pytest.mark.proves("LinuxContainerResources.memory_limit_in_bytes")
@pytest.mark.plugin_differs("the plugin has only the shim's event, which does not always come", always=False)
async def test_a_process_out_of_memory_is_reported(pod):
    """A container that the kernel killed for its memory limit has exit code 137 and reason OOMKilled."""
    container = await pod.start(command=("tail", "/dev/zero"), resources={"memory_limit_in_bytes": 16 * 1024 * 1024})
    status = await container.until(lambda status: status.finished_at > 0 and status.reason != "Error")
    assert (status.exit_code, status.reason) == (137, "OOMKilled")


@pytest.mark.plugin_differs("the plugin has only the shim's event, which does not always come", always=False)
async def test_an_out_of_memory_kill_is_reported_for_its_container(pod):
    """Six containers of a pod that are killed for it in the same moment say so; a neighbour that is killed does not."""
    neighbour = await pod.start()
    limit = {"memory_limit_in_bytes": 16 * 1024 * 1024}
    hungry = [await pod.create(command=("tail", "/dev/zero"), resources=limit) for _ in range(6)]
    await asyncio.gather(*(container.start() for container in hungry))
    for container in hungry:
        status = await container.until(lambda status: status.finished_at > 0 and status.reason != "Error")
        assert (status.exit_code, status.reason) == (137, "OOMKilled")
    await neighbour.stop(timeout=0)
    status = await neighbour.status()
    assert (status.exit_code, status.reason) == (137, "Error")


async def test_containers_start_and_end_at_the_same_time(pod):
    """Eight containers of one pod, started together, each end with their own exit code."""
    containers = await asyncio.gather(*(pod.start(command=sh(f"exit {code}")) for code in range(8)))
    statuses = await asyncio.gather(*(container.ended() for container in containers))
    assert [status.exit_code for status in statuses] == list(range(8))


@pytest.mark.proves("ContainerConfig.stop_signal")
@pytest.mark.plugin_differs("the plugin knows no stop signal of a container up to 2.1")
async def test_the_stop_signal_of_the_container_is_used(node, pod):
    """A stop signal in the configuration wins over the image's STOPSIGNAL, and is in the status."""
    image = await node.pull("stopsignal:2", stop_signal="SIGUSR1")
    script = "trap 'exit 11' USR1; trap 'exit 12' USR2; echo up; while :; do sleep 60 & wait $!; done"
    container = await pod.start(image=image, command=sh(script), stop_signal=cri.SIGUSR2)
    await container.logged("up")
    await container.stop(timeout=20)
    status = await container.status()
    assert (status.exit_code, status.stop_signal) == (12, cri.SIGUSR2)
