"""Exec over SPDY with a peer that nobody here wrote."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from lab.pod_configs import sh
from tests.integration.streaming.peer import digest_of_feed

if TYPE_CHECKING:
    from lab.lab import Lab
    from lab.pods import Container
    from tests.integration.streaming.peer import SpdyPeer

MANY = 1 << 30 if os.environ.get("CRI_SHIM_LONG_STREAMS") else 64 << 20
"""Bytes of the long streams; a gigabyte where somebody asks for it."""


async def exec_url(container: Container, *command: str, tty: bool = False, **streams: bool) -> str:
    """A URL for a command."""
    wanted = {"stdout": True, "stderr": not tty, **streams}
    response = await container.client.Exec(container_id=container.id, cmd=command, tty=tty, **wanted)
    return str(response.url)


def status(result: dict[str, Any]) -> dict[str, Any]:
    """The JSON status of a v4 session."""
    answer: dict[str, Any] = json.loads(result["streams"]["error"]["text"])
    return answer


async def processes(container: Container, name: str) -> str:
    """Processes of the container whose command line has ``name``; a bracket keeps the searcher out."""
    return (await container.execute(*sh(f"ps -o args | grep '[{name[0]}]{name[1:]}' || true"))).stdout.decode()


async def wait_clean(lab: Lab, container: Container, seconds: float = 15) -> None:
    """Wait until nothing is left of any exec: no FIFO, no process that containerd knows of."""
    for _ in range(int(seconds * 10)):
        left = list((lab.state / "containers" / container.id).glob("exec-*"))
        if not left and len(lab.containerd.ctr("tasks", "ps", container.id).splitlines()) <= 3:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"still there: {left} {lab.containerd.ctr('tasks', 'ps', container.id)}")


async def test_output_and_exit_code(spdy: SpdyPeer, container: Container) -> None:
    """Both outputs arrive on their streams, and the exit code in the status."""
    url = await exec_url(container, *sh("echo out; echo err >&2; exit 3"))
    result = await spdy.run(url, streams=["error", "stdout", "stderr"])
    assert result["protocol"] == "v4.channel.k8s.io"
    assert result["streams"]["stdout"]["text"] == "out\n"
    assert result["streams"]["stderr"]["text"] == "err\n"
    assert status(result)["reason"] == "NonZeroExitCode"
    assert status(result)["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]


@pytest.mark.parametrize("protocol", ["v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"])
async def test_every_version_ends_in_its_own_way(spdy: SpdyPeer, container: Container, protocol: str) -> None:
    """v4 has a JSON status, earlier versions a line of text."""
    url = await exec_url(container, *sh("exit 9"))
    result = await spdy.run(url, streams=["error", "stdout", "stderr"], protocol=protocol)
    assert result["protocol"] == protocol
    text = result["streams"]["error"]["text"]
    assert text.startswith("{") == (protocol == "v4.channel.k8s.io")
    assert "exit code" in text


async def test_success_is_said(spdy: SpdyPeer, container: Container) -> None:
    """A v4 client hears that all went well."""
    result = await spdy.run(await exec_url(container, "true"), streams=["error", "stdout", "stderr"])
    assert status(result) == {"metadata": {}, "status": "Success"}


async def test_unknown_command(spdy: SpdyPeer, container: Container) -> None:
    """The client hears what the runtime said."""
    result = await spdy.run(await exec_url(container, "no-such-program"), streams=["error", "stdout", "stderr"])
    assert "no-such-program" in status(result)["message"]


async def test_stdin_and_its_end(spdy: SpdyPeer, container: Container) -> None:
    """What the client sends is the command's stdin, and its end is the end of it."""
    url = await exec_url(container, *sh("cat; echo done"), stdin=True)
    result = await spdy.run(url, streams=["error", "stdin", "stdout", "stderr"], stdin="hello\n")
    assert result["streams"]["stdout"]["text"] == "hello\ndone\n"


async def test_terminal_and_its_size(spdy: SpdyPeer, container: Container) -> None:
    """A tty has the size that the client says, and changes with it."""
    url = await exec_url(container, *sh("sleep 0.5; stty size; test -t 0 && echo tty"), tty=True, stdin=True)
    sizes = [[10, 5], [0, 0], [99, 44]]
    result = await spdy.run(url, streams=["error", "stdin", "stdout", "resize"], sizes=sizes)
    assert result["streams"]["stdout"]["text"] == "44 99\r\ntty\r\n"


async def test_output_of_a_fast_command_is_complete(spdy: SpdyPeer, container: Container) -> None:
    """However soon the process ends, all it wrote arrives, in order."""
    for _ in range(5):
        url = await exec_url(container, *sh("seq 1 20000"))
        result = await spdy.run(url, streams=["error", "stdout", "stderr"])
        assert result["streams"]["stdout"]["text"] == "".join(f"{n}\n" for n in range(1, 20001))


@pytest.mark.parametrize("window", [0, 65536])
async def test_a_long_stream_out(spdy: SpdyPeer, container: Container, window: int) -> None:
    """Every byte of a long output arrives, through wide windows and narrow ones."""
    size = MANY if not window else 4 << 20
    script = f"yes spdy-transport! | dd bs=64k count={size // 65536} iflag=fullblock 2>/dev/null"
    url = await exec_url(container, *sh(script))
    result = await spdy.run(url, streams=["error", "stdout", "stderr"], window=window, seconds=170)
    assert result["streams"]["stdout"]["bytes"] == size
    assert result["streams"]["stdout"]["sha256"] == digest_of_feed(size)


async def test_a_long_stream_in(spdy: SpdyPeer, container: Container) -> None:
    """Every byte of a long input arrives."""
    url = await exec_url(container, "sha256sum", stdin=True)
    result = await spdy.run(url, streams=["error", "stdin", "stdout", "stderr"], stdinBytes=MANY, seconds=170)
    assert result["streams"]["stdout"]["text"].split()[0] == digest_of_feed(MANY)


async def test_a_slow_client_gets_all(spdy: SpdyPeer, container: Container) -> None:
    """A client that pauses holds its own command back, and nothing is lost."""
    url = await exec_url(container, *sh("seq 1 100000"))
    result = await spdy.run(url, streams=["error", "stdout", "stderr"], pauseMs=20, window=65536, seconds=60)
    assert result["streams"]["stdout"]["bytes"] == sum(len(f"{n}\n") for n in range(1, 100001))


async def test_a_client_that_dies_takes_its_command_along(spdy: SpdyPeer, lab: Lab, container: Container) -> None:
    """No process and no FIFO outlives the client."""
    url = await exec_url(container, *sh("while :; do echo still-here; sleep 0.01; done"))
    process = await spdy.start(url, streams=["error", "stdout", "stderr"], dieAfter=100)
    await asyncio.wait_for(process.wait(), 20)
    assert process.returncode == -signal.SIGKILL
    await wait_clean(lab, container)
    assert "still-here" not in await processes(container, "still-here")


async def test_a_container_that_ends_ends_its_clients(spdy: SpdyPeer, lab: Lab, pod: Any) -> None:
    """The client gets an end, not silence."""
    container = await pod.start(command=sh("sleep 1000"))
    url = await exec_url(container, *sh("echo begun; sleep 1000"))
    running = asyncio.create_task(spdy.run(url, streams=["error", "stdout", "stderr"], seconds=20))
    await asyncio.sleep(1)
    await container.stop()
    result = await running
    assert result["streams"]["stdout"]["text"] == "begun\n"
    assert status(result)["status"] == "Failure"
    await container.remove()


async def test_a_child_that_keeps_the_output_open_blocks_nothing(spdy: SpdyPeer, container: Container) -> None:
    """The command has ended; what it left behind in silence is waited for only so long.

    That is 5 s.
    """
    url = await exec_url(container, *sh("sleep 120 & echo $!"))
    result = await spdy.run(url, streams=["error", "stdout", "stderr"], seconds=60)
    assert status(result)["status"] == "Success"
    child = int(result["streams"]["stdout"]["text"])
    assert (await container.execute("kill", str(child))).exit_code == 0, "the child was ended with the command"


async def test_a_token_is_good_for_one_connection(spdy: SpdyPeer, container: Container) -> None:
    """The second client gets the error that no such request exists."""
    url = await exec_url(container, "true")
    await spdy.run(url, streams=["error", "stdout", "stderr"])
    assert (await spdy.run(url, streams=["error", "stdout", "stderr"]))["http"] == 404


async def test_an_unknown_version_is_refused(spdy: SpdyPeer, container: Container) -> None:
    """With the answer that the kubelet's server gives."""
    url = await exec_url(container, "true")
    assert (await spdy.run(url, streams=["error"], protocol="v9.channel.k8s.io"))["http"] == 403
