"""The session over a link that only writes down: back-pressure, idle clients, the ends of streams."""

from __future__ import annotations

import asyncio

import pytest

from cri_shim.streaming.inbox import Inbox
from cri_shim.streaming.remote import ClientGoneError
from cri_shim.streaming.spdy import Connection, frames
from cri_shim.streaming.spdy.events import DataReceived, StreamAccepted, StreamEnded, StreamReset
from cri_shim.streaming.spdy_session import HELD, SpdySession, SpdyStream


class FakeLink:
    """Keeps what was written; ``full`` makes writers wait."""

    def __init__(self) -> None:
        self.written = b""
        self.reading = True
        self.closed = False
        self.aborted = False
        self.gone = False
        self.backlog = 0

    def write(self, data: bytes) -> None:
        self.written += data

    async def drain(self) -> None:
        await asyncio.sleep(0)

    def hold(self, holding: bool) -> None:
        self.reading = not holding

    def hung_up(self) -> bool:
        return self.gone

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True


class Ends:
    """A session, the link below it and a client's codec."""

    def __init__(self, *, accept: bool = True, idle_timeout: float = 0.0) -> None:
        self.streams: list[SpdyStream] = []
        self.link = FakeLink()
        self.client = Connection(client=True)

        def opened(stream: SpdyStream) -> bool:
            self.streams.append(stream)
            return accept

        self.session = SpdySession(opened, idle_timeout=idle_timeout)
        self.session.attach(self.link)

    def say(self) -> list[object]:
        """Carry what the client has to say, and hear the answer."""
        self.session.feed(self.client.data_to_send())
        return self.hear()

    def hear(self) -> list[object]:
        """What the session said."""
        data, self.link.written = self.link.written, b""
        return list(self.client.receive_data(data)) if data else []

    def open(self) -> tuple[int, SpdyStream]:
        """One more stream."""
        stream = self.client.open_stream({"streamtype": "data"})
        assert self.say() == [StreamAccepted(stream, {})]
        return stream, self.streams[-1]


async def test_bytes_go_both_ways():
    """And each end on its own."""
    ends = Ends()
    number, stream = ends.open()
    ends.client.send_data(number, b"up", fin=True)
    ends.say()
    assert [await stream.read(), await stream.read()] == [b"up", b""]
    await stream.write(b"down")
    stream.end()
    assert ends.hear() == [DataReceived(number, b"down"), StreamEnded(number)]
    ends.session.close()


async def test_a_stream_that_is_not_wanted_is_refused():
    """By a reset, and the connection goes on."""
    ends = Ends(accept=False)
    number = ends.client.open_stream({})
    assert ends.say() == [StreamReset(number, 3)]
    ends.session.close()


async def test_a_client_that_knows_no_windows_is_held_back_by_not_reading():
    """Above a limit nothing more is read, and below half of it again."""
    ends = Ends()
    _, stream = ends.open()
    block = frames.data_head(stream.id, 1 << 20, fin=False) + bytes(1 << 20)
    sizes = []
    for _ in range((HELD >> 20) + 1):
        sizes.append(ends.link.reading)
        ends.session.feed(block)
    assert [*sizes, ends.link.reading] == [True] * len(sizes) + [False]
    for _ in range((HELD >> 20) // 2 + 1):
        await stream.read()
    assert ends.link.reading
    ends.session.close()


async def test_a_reset_frees_what_its_stream_held():
    """Else a client could clog the connection with streams that are over."""
    ends = Ends()
    number, stream = ends.open()
    ends.session.feed(frames.data_head(number, HELD + 1, fin=False) + bytes(HELD + 1))
    before = ends.link.reading
    stream.reset()
    assert (before, ends.link.reading) == (False, True)
    with pytest.raises(ClientGoneError):
        await stream.read()
    ends.session.close()


async def test_a_writer_waits_for_the_window():
    """And goes on with what the client opens."""
    ends = Ends()
    number, stream = ends.open()
    ends.session.feed(frames.window_update(number, 1))
    writing = asyncio.create_task(stream.write(bytes(65536 + 100)))
    for _ in range(5):
        await asyncio.sleep(0)
    assert sum(len(e.data) for e in ends.hear() if isinstance(e, DataReceived)) == 65536
    ends.session.feed(frames.window_update(0, 100) + frames.window_update(number, 99))
    await asyncio.wait_for(writing, 20)
    assert sum(len(e.data) for e in ends.hear() if isinstance(e, DataReceived)) == 100
    ends.session.close()


async def test_an_idle_client_is_ended():
    """With a goodbye."""
    ends = Ends(idle_timeout=0.05)
    _, stream = ends.open()
    await asyncio.wait_for(ends.session.gone(), 20)
    assert ends.link.closed
    with pytest.raises(ClientGoneError):
        await stream.read()


async def test_the_end_of_the_connection_ends_readers_and_writers():
    """Nobody waits for a client that is gone."""
    ends = Ends()
    number, stream = ends.open()
    ends.session.feed(frames.window_update(number, 1))
    reading = asyncio.create_task(stream.read())
    writing = asyncio.create_task(stream.write(bytes(1 << 20)))
    await asyncio.sleep(0.01)
    ends.session.lost()
    for task in (reading, writing):
        with pytest.raises(ClientGoneError):
            await asyncio.wait_for(task, 20)


async def test_small_pieces_are_put_together():
    """A client that sends single bytes does not cost fifty for each."""
    inbox = Inbox()
    for _ in range(10000):
        inbox.put(b"x")
    assert len(inbox._pieces) == 1
    assert inbox.size == 10000
    assert await inbox.get() == b"x" * 10000
    inbox.end()
    assert await inbox.get() == b""
