"""ExecSync."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure
from lab.pod_configs import sh


@pytest.mark.proves("RuntimeService.ExecSync")
async def test_output_and_exit_code(pod):
    """Both streams and the exit code come back apart."""
    container = await pod.start()
    done = await container.execute(*sh("echo out; echo err >&2; exit 9"))
    assert (done.stdout, done.stderr, done.exit_code) == (b"out\n", b"err\n", 9)


async def test_it_runs_in_the_container(node):
    """The command has the container's user, environment, directory and limits."""
    pod = await node.run(hostname="exec-here")
    container = await pod.start(security={"run_as_user": {"value": 1000}}, envs={"X": "y"}, working_dir="/tmp")
    assert await container.output("id -u; echo $X; pwd; hostname") == "1000\ny\n/tmp\nexec-here"


async def test_a_timeout_ends_the_command(pod):
    """A command that takes too long is ended, the answer is DEADLINE_EXCEEDED, the container runs on."""
    container = await pod.start()
    started = time.monotonic()
    code, message = await failure(container.execute("sleep", "54321", timeout=1))
    assert code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert "1s" in message or "timeout" in message.lower()
    assert 0.9 < time.monotonic() - started < 5
    assert "sleep 54321" not in await container.output("ps")
    assert (await container.status()).state == cri.CONTAINER_RUNNING


async def test_without_a_timeout_it_may_take_its_time(pod):
    """Timeout 0 is no limit."""
    container = await pod.start()
    assert (await container.execute(*sh("sleep 1.2; echo done"), timeout=0)).stdout == b"done\n"


async def test_a_program_that_is_missing(pod):
    """A program that the container does not have is an error that names it."""
    container = await pod.start()
    _, message = await failure(container.execute("no-such-program"))
    assert "no-such-program" in message


async def test_output_of_a_megabyte_is_whole(pod):
    """Four megabytes of output come back whole."""
    container = await pod.start()
    done = await container.execute(*sh("head -c 4000000 /dev/zero | tr '\\0' y"))
    assert done.stdout == b"y" * 4_000_000


async def test_more_output_than_fits_does_no_harm(pod):
    """Of 40 MB at most 16 MiB come back, or the answer says that it is too big; the command ran to its end."""
    container = await pod.start()
    try:
        done = await container.execute(*sh("head -c 40000000 /dev/zero; touch /tmp/ended"), timeout=30)
    except grpc.aio.AioRpcError as error:
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    else:
        assert 10_000_000 < len(done.stdout) <= 16 * 1024 * 1024
    assert await container.output("test -e /tmp/ended && echo yes") == "yes"


async def test_many_at_once(pod):
    """Ten commands at the same time each get their own output."""
    container = await pod.start()
    done = await asyncio.gather(*(container.execute("echo", str(number)) for number in range(10)))
    assert [each.stdout for each in done] == [b"%d\n" % number for number in range(10)]


async def test_a_killed_command_has_its_signal(pod):
    """A command that dies by a signal has exit code 128 and the signal."""
    container = await pod.start()
    assert (await container.execute(*sh("kill -15 $$"))).exit_code == 143


async def test_it_needs_a_running_container(node, pod):
    """A container that is created or has exited cannot run a command."""
    right = node.code(grpc.StatusCode.FAILED_PRECONDITION, plugin=grpc.StatusCode.UNKNOWN)
    created = await pod.create()
    assert (await failure(created.execute("true")))[0] == right
    exited = await pod.start(command=sh("exit 0"))
    await exited.ended()
    assert (await failure(exited.execute("true")))[0] == right


async def test_it_needs_a_container(client):
    """An unknown container is NOT_FOUND."""
    code, _ = await failure(client.ExecSync(container_id="0" * 64, cmd=["true"]))
    assert code == grpc.StatusCode.NOT_FOUND
