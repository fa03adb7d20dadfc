"""Attach: several at once, slow ones cut off, stdin shared and closed once."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from lab.pod_configs import sh

if TYPE_CHECKING:
    from lab.pods import Container, Pod
    from tests.integration.streaming.peer import SpdyPeer


async def attach_url(container: Container, *, stdin: bool = False, tty: bool = False) -> str:
    """A URL for an attachment."""
    response = await container.client.Attach(
        container_id=container.id, stdin=stdin, stdout=True, stderr=not tty, tty=tty
    )
    return str(response.url)


async def test_several_clients_see_the_same_output(spdy: SpdyPeer, pod: Pod) -> None:
    """All see what comes while they are attached, on the right stream, and the end of the container."""
    container = await pod.start(command=sh("sleep 3; echo out; echo err >&2"))
    urls = [await attach_url(container) for _ in range(3)]
    results = await asyncio.gather(*(spdy.run(url, streams=["error", "stdout", "stderr"]) for url in urls))
    for result in results:
        assert result["streams"]["stdout"]["text"] == "out\n"
        assert result["streams"]["stderr"]["text"] == "err\n"
        assert '"Success"' in result["streams"]["error"]["text"]
    assert len(container.entries()) == 2


async def test_stdin_once_ends_with_its_client(spdy: SpdyPeer, pod: Pod) -> None:
    """The end of the first client's stdin is the end of the container's."""
    container = await pod.start(command=sh("cat; echo over"), stdin=True, stdin_once=True)
    result = await spdy.run(
        await attach_url(container, stdin=True), streams=["error", "stdin", "stdout", "stderr"], stdin="hello\n"
    )
    assert result["streams"]["stdout"]["text"] == "hello\nover\n"
    assert (await container.ended()).exit_code == 0


async def test_stdin_stays_open_for_the_next_client(spdy: SpdyPeer, pod: Pod) -> None:
    """Without stdin_once a client may go and another come."""
    container = await pod.start(command=sh("read a; read b; echo $a$b"), stdin=True)
    first = await spdy.start(
        await attach_url(container, stdin=True), streams=["error", "stdin", "stdout", "stderr"], stdin="one\n"
    )
    await asyncio.sleep(1.5)
    first.kill()
    await first.wait()
    result = await spdy.run(
        await attach_url(container, stdin=True), streams=["error", "stdin", "stdout", "stderr"], stdin="two\n"
    )
    assert result["streams"]["stdout"]["text"] == "onetwo\n"


async def test_a_terminal(spdy: SpdyPeer, pod: Pod) -> None:
    """Attach to a container with a tty: input is echoed, and the size is the client's."""
    container = await pod.start(command=sh("read x; sleep 0.5; stty size; echo got $x"), stdin=True, tty=True)
    result = await spdy.run(
        await attach_url(container, stdin=True, tty=True),
        streams=["error", "stdin", "stdout", "resize"],
        sizes=[[70, 30]],
        stdin="word\n",
        keepStdin=True,
    )
    assert "got word\r\n" in result["streams"]["stdout"]["text"]
    assert "30 70\r\n" in result["streams"]["stdout"]["text"]


async def test_a_terminal_for_a_client_that_has_none(spdy: SpdyPeer, pod: Pod) -> None:
    """The container's tty decides what comes, the request which streams the client opens: no resize here."""
    container = await pod.start(command=sh("sleep 2; echo out"), tty=True)
    result = await spdy.run(await attach_url(container), streams=["error", "stdout", "stderr"])
    assert result["streams"]["stdout"]["text"] == "out\r\n"


async def test_a_client_that_reads_too_slowly_holds_no_other_back(spdy: SpdyPeer, pod: Pod) -> None:
    """The container runs on, its log is complete, another client gets everything, the slow one is cut off and told."""
    script = "sleep 3; for i in $(seq 40); do seq 1 20000; sleep 0.1; done; echo end"
    container = await pod.start(command=sh(script))
    urls = [await attach_url(container) for _ in range(2)]
    kinds = ["error", "stdout", "stderr"]
    slow = asyncio.create_task(spdy.run(urls[0], streams=kinds, pauseMs=100, window=65536, seconds=60))
    quick = await spdy.run(urls[1], streams=kinds, seconds=60)
    assert (await container.ended()).exit_code == 0
    whole = "".join(f"{n}\n" for n in range(1, 20001)) * 40 + "end\n"
    assert quick["streams"]["stdout"]["sha256"] == hashlib.sha256(whole.encode()).hexdigest()
    assert await container.logged("end") == whole
    assert "too slowly" in (await slow)["streams"]["error"]["text"]


async def test_a_client_that_goes_leaves_the_container_alone(spdy: SpdyPeer, pod: Pod) -> None:
    """Detaching is not stopping."""
    container = await pod.start(command=sh("while :; do echo tick; sleep 0.05; done"))
    process = await spdy.start(await attach_url(container), streams=["error", "stdout", "stderr"], dieAfter=20)
    await asyncio.wait_for(process.wait(), 20)
    before = len(container.entries())
    await asyncio.sleep(0.5)
    assert len(container.entries()) > before
    await container.stop()
