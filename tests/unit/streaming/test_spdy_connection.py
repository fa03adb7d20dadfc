"""The SPDY connection: every frame in every state, flow control, limits, and bytes that mean nothing."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cri_shim.streaming.spdy import Connection, Limits, LocalProtocolError, RemoteProtocolError, frames
from cri_shim.streaming.spdy.errors import GoAwayCode, ResetCode
from cri_shim.streaming.spdy.events import (
    DataReceived,
    GoneAway,
    HeadersReceived,
    PingAnswered,
    StreamAccepted,
    StreamEnded,
    StreamOpened,
    StreamReset,
    WindowOpened,
)
from cri_shim.streaming.spdy.headers import HeaderWriter
from cri_shim.streaming.spdy.limits import DEFAULT_WINDOW, LARGEST_WINDOW
from cri_shim.streaming.spdy.states import TRANSITIONS, State, Step


class Pair:
    """A client and a server whose bytes reach each other on :meth:`exchange`."""

    def __init__(self, **limits: int) -> None:
        self.client = Connection(Limits(), client=True)
        self.server = Connection(Limits(**limits))

    def exchange(self) -> tuple[list[object], list[object]]:
        """Carry bytes until neither end has any, and return what each end saw."""
        seen: tuple[list[object], list[object]] = ([], [])
        while True:
            up, down = self.client.data_to_send(), self.server.data_to_send()
            if not up and not down:
                return seen
            seen[1].extend(self.server.receive_data(up) if up else [])
            seen[0].extend(self.client.receive_data(down) if down else [])


def sent_by(connection: Connection) -> list[tuple[int, tuple[int, ...]]]:
    """Type and numbers of the control frames that wait to be sent."""
    result = frames.FrameReader(2**20).feed(connection.data_to_send())
    return [
        (frame.type, struct.unpack(f">{len(frame.body) // 4}I", frame.body[: len(frame.body) // 4 * 4]))
        for frame in result
        if isinstance(frame, frames.ControlFrame)
    ]


def test_a_stream_from_its_opening_to_its_end() -> None:
    """Both directions, with headers both ways, end on their own."""
    pair = Pair()
    stream = pair.client.open_stream({"streamtype": "stdin"})
    assert pair.exchange() == ([], [StreamOpened(1, {"streamtype": "stdin"})])
    pair.server.accept(stream, {"a": "b"})
    assert pair.exchange() == ([StreamAccepted(1, {"a": "b"})], [])
    pair.client.send_data(stream, b"to", fin=True)
    pair.server.send_data(stream, b"fro")
    assert pair.exchange() == ([DataReceived(1, b"fro")], [DataReceived(1, b"to"), StreamEnded(1)])
    pair.server.send_data(stream, b"", fin=True)
    assert pair.exchange() == ([StreamEnded(1)], [])
    assert pair.client.state(1) is pair.server.state(1) is State.CLOSED
    assert pair.client.state(3) is pair.server.state(3) is State.IDLE


def in_state(state: State) -> Connection:
    """A server whose stream 1 (the peer's) or 2 (its own) is in ``state``."""
    server = Connection()
    writer = HeaderWriter()
    theirs = state in (
        State.OFFERED,
        State.OFFERED_ENDED,
        State.OPEN,
        State.LOCAL_ENDED,
        State.REMOTE_ENDED,
        State.CLOSED,
    )
    if theirs:
        ended = state in (State.OFFERED_ENDED, State.REMOTE_ENDED)
        server.receive_data(frames.syn_stream(1, writer.write({}), fin=ended))
        if state not in (State.OFFERED, State.OFFERED_ENDED):
            server.accept(1)
        if state is State.LOCAL_ENDED:
            server.send_data(1, b"", fin=True)
        if state is State.CLOSED:
            server.reset(1)
    elif state is not State.IDLE:
        server.open_stream({}, fin=state is State.ASKED_ENDED)
    server.data_to_send()
    server._test_writer = writer  # type: ignore[attr-defined]
    return server


def incoming(step: Step, stream: int, writer: HeaderWriter) -> bytes:
    """A frame that means ``step`` for a stream."""
    return {
        Step.RECEIVE_SYN: lambda: frames.syn_stream(stream, writer.write({})),
        Step.RECEIVE_REPLY: lambda: frames.syn_reply(stream, writer.write({})),
        Step.RECEIVE_HEADERS: lambda: frames.headers(stream, writer.write({"a": "b"})),
        Step.RECEIVE_DATA: lambda: frames.data_head(stream, 1, fin=False) + b"x",
        Step.RECEIVE_FIN: lambda: frames.data_head(stream, 0, fin=True),
        Step.RECEIVE_RESET: lambda: frames.rst_stream(stream, ResetCode.CANCEL),
        Step.RECEIVE_WINDOW: lambda: frames.window_update(stream, 1),
    }[step]()


RECEIVING = [step for step in Step if step.name.startswith("RECEIVE")]


@pytest.mark.parametrize("state", list(State), ids=lambda state: state.name)
@pytest.mark.parametrize("step", RECEIVING, ids=lambda step: step.name)
def test_every_frame_in_every_state(state: State, step: Step) -> None:
    """What the table allows leads where it says; what it does not costs the stream, or (stream ids) the connection."""
    server = in_state(state)
    writer = server._test_writer  # type: ignore[attr-defined]
    stream = 2 if state in (State.ASKED, State.ASKED_ENDED) else 1
    wanted = TRANSITIONS.get((state, step))
    data = incoming(step, stream, writer)
    if step is Step.RECEIVE_SYN and wanted is None:
        with pytest.raises(RemoteProtocolError):
            server.receive_data(data)
        assert sent_by(server)[-1][0] == frames.FrameType.GOAWAY
        return
    events = server.receive_data(data)
    answers = [numbers for kind, numbers in sent_by(server) if kind == frames.FrameType.RST_STREAM]
    if wanted is not None:
        assert server.state(stream) is wanted
        assert answers == []
    elif state is State.CLOSED:
        assert events == [] and answers == [], "late frames of a stream that is over mean nothing"
    elif state is State.IDLE:
        expected = [] if step is Step.RECEIVE_RESET else [(1, ResetCode.INVALID_STREAM)]
        assert events == [] and answers == expected
    else:
        assert server.state(stream) is State.CLOSED
        assert len(answers) == 1
        assert isinstance(events[-1], StreamReset) and events[-1].ours


@pytest.mark.parametrize("state", list(State), ids=lambda state: state.name)
def test_every_call_in_every_state(state: State) -> None:
    """What the table forbids us raises, and sends nothing."""
    stream = 2 if state in (State.ASKED, State.ASKED_ENDED) else 1
    calls = {
        Step.SEND_REPLY: lambda server: server.accept(stream),
        Step.SEND_DATA: lambda server: server.send_data(stream, b"x"),
    }
    for step, call in calls.items():
        server = in_state(state)
        if (state, step) in TRANSITIONS:
            call(server)
            assert server.state(stream) is TRANSITIONS[state, step]
        else:
            with pytest.raises(LocalProtocolError):
                call(server)
            assert server.data_to_send() == b""


def test_a_second_answer_is_refused() -> None:
    """SYN_REPLY twice for one stream is STREAM_IN_USE."""
    pair = Pair()
    stream = pair.client.open_stream({})
    pair.exchange()
    pair.server.accept(stream)
    pair.exchange()
    pair.client.receive_data(frames.syn_reply(1, pair.server._packed({})))
    assert (frames.FrameType.RST_STREAM, (1, ResetCode.STREAM_IN_USE)) in sent_by(pair.client)


def test_pings_of_both_sides() -> None:
    """Ours comes back as an event, the peer's is answered."""
    pair = Pair()
    pair.server.ping(2)
    pair.client.ping(1)
    assert pair.exchange() == ([PingAnswered(1)], [PingAnswered(2)]) or pair.exchange() == ([], [])
    with pytest.raises(LocalProtocolError):
        pair.server.ping(1)


def test_goaway_is_sent_and_ends_what_may_be_said() -> None:
    """After a GOAWAY neither end opens or sends anything."""
    pair = Pair()
    pair.server.go_away(GoAwayCode.OK)
    assert pair.exchange()[0] == [GoneAway(0, GoAwayCode.OK)]
    with pytest.raises(LocalProtocolError):
        pair.client.open_stream({})
    with pytest.raises(RemoteProtocolError):
        pair.server.receive_data(b"x")


def test_headers_with_an_end() -> None:
    """FIN may ride on HEADERS."""
    server = in_state(State.OPEN)
    writer = server._test_writer  # type: ignore[attr-defined]
    events = server.receive_data(frames.headers(1, writer.write({"a": "b"}), fin=True))
    assert events == [HeadersReceived(1, {"a": "b"}), StreamEnded(1)]


def test_a_peer_that_knows_no_windows_is_not_held_to_them() -> None:
    """Go's library neither opens windows nor respects them."""
    server = in_state(State.OPEN)
    server.send_data(1, b"x" * (3 * DEFAULT_WINDOW))
    assert server.room(1) > DEFAULT_WINDOW
    events = server.receive_data(frames.data_head(1, 2 * DEFAULT_WINDOW, fin=False) + b"y" * (2 * DEFAULT_WINDOW))
    assert [type(event) for event in events] == [DataReceived]


def test_a_peer_that_knows_windows_is_held_to_them() -> None:
    """After its first WINDOW_UPDATE we send no more than fits, and take no more than we have room for."""
    server = in_state(State.OPEN)
    assert WindowOpened(1) in server.receive_data(frames.window_update(1, 10))
    server.receive_data(frames.window_update(0, 5))
    assert server.room(1) == DEFAULT_WINDOW + 5
    server.send_data(1, b"x" * (DEFAULT_WINDOW + 5))
    assert server.room(1) == 0
    with pytest.raises(LocalProtocolError, match="window"):
        server.send_data(1, b"x")
    size = server.limits.window
    server.receive_data(frames.data_head(1, size, fin=False) + b"y" * size)
    events = server.receive_data(frames.data_head(1, 1, fin=False) + b"y")
    assert events == [StreamReset(1, ResetCode.FLOW_CONTROL_ERROR, ours=True)]


def test_overflow_of_the_connections_window_ends_it() -> None:
    """Many streams, each within its window, are too much together."""
    server = Connection(Limits(window=65536, connection_window=131072))
    writer = HeaderWriter()
    server.receive_data(frames.settings({}))
    block = b"y" * 65536
    for stream in (1, 3):
        server.receive_data(
            frames.syn_stream(stream, writer.write({})) + frames.data_head(stream, 65536, fin=False) + block
        )
    with pytest.raises(RemoteProtocolError, match="window"):
        server.receive_data(frames.syn_stream(5, writer.write({})) + frames.data_head(5, 1, fin=False) + b"y")
    assert sent_by(server)[-1] == (frames.FrameType.GOAWAY, (5, GoAwayCode.PROTOCOL_ERROR))


def test_taken_bytes_open_the_window_in_batches() -> None:
    """One WINDOW_UPDATE for half a window, not one for each frame."""
    server = in_state(State.OPEN)
    server.receive_data(frames.data_head(1, 60000, fin=False) + b"y" * 60000)
    server.take(1, 30000)
    assert sent_by(server) == []
    server.take(1, 10000)
    updates = sent_by(server)
    assert sorted(updates) == [
        (frames.FrameType.WINDOW_UPDATE, (0, 40000)),
        (frames.FrameType.WINDOW_UPDATE, (1, 40000)),
    ]


def test_windows_that_grow_too_large_are_refused() -> None:
    """For a stream it costs the stream, for the connection the connection."""
    server = in_state(State.OPEN)
    assert server.receive_data(frames.window_update(1, LARGEST_WINDOW)) == [
        StreamReset(1, ResetCode.FLOW_CONTROL_ERROR, ours=True)
    ]
    with pytest.raises(RemoteProtocolError):
        server.receive_data(frames.window_update(0, LARGEST_WINDOW))


def test_too_many_streams_are_refused_and_then_the_peer() -> None:
    """Ten thousand streams: some are open, some refused one by one, then the connection ends."""
    server = Connection(Limits(streams=8, refusals=16))
    writer = HeaderWriter()
    opened = 0
    with pytest.raises(RemoteProtocolError, match="refused"):
        for stream in range(1, 20001, 2):
            opened += len(server.receive_data(frames.syn_stream(stream, writer.write({}))))
    assert opened == 8
    kinds = [kind for kind, _ in sent_by(server)]
    assert kinds.count(frames.FrameType.RST_STREAM) == 16
    assert kinds[-1] == frames.FrameType.GOAWAY


def test_closed_streams_make_room_for_others() -> None:
    """The limit is on open streams, not on streams ever opened."""
    pair = Pair(streams=2)
    for _ in range(10):
        stream = pair.client.open_stream({})
        pair.exchange()
        pair.server.accept(stream)
        pair.server.reset(stream)
        pair.exchange()
    assert pair.server.state(stream) is State.CLOSED


sessions = st.lists(
    st.one_of(
        st.tuples(st.just("open"), st.booleans()),
        st.tuples(st.just("data"), st.integers(0, 3), st.binary(max_size=40), st.booleans()),
        st.tuples(st.just("reset"), st.integers(0, 3)),
        st.tuples(st.just("ping"), st.integers(0, 5)),
        st.tuples(st.just("settings"), st.integers(0, 2**31 - 1)),
    ),
    max_size=12,
)


def spoken(session: list[tuple[object, ...]]) -> bytes:
    """The bytes of a client that follows a script of valid and invalid frames."""
    writer = HeaderWriter()
    out, opened = b"", 0
    for what, *arguments in session:
        if what == "open":
            opened += 1
            out += frames.syn_stream(2 * opened - 1, writer.write({"n": str(opened)}), fin=bool(arguments[0]))
        elif what == "data":
            stream, data, fin = arguments
            out += frames.data_head(2 * stream + 1, len(data), fin=fin) + data  # type: ignore[operator, arg-type]
        elif what == "reset":
            out += frames.rst_stream(2 * arguments[0] + 1, 5)  # type: ignore[operator]
        elif what == "ping":
            out += frames.ping(arguments[0])  # type: ignore[arg-type]
        else:
            out += frames.settings({7: arguments[0]})  # type: ignore[dict-item]
    return out


def summarized(pieces: list[bytes]) -> tuple[list[object], bytes]:
    """Events with data joined, and everything answered."""
    server = Connection()
    events: list[object] = []
    answer = b""
    for piece in pieces:
        for event in server.receive_data(piece):
            last = events[-1] if events else None
            if isinstance(event, DataReceived) and isinstance(last, DataReceived) and last.stream_id == event.stream_id:
                events[-1] = DataReceived(last.stream_id, last.data + event.data)
            else:
                events.append(event)
        answer += server.data_to_send()
    return events, answer


@given(sessions, st.data())
def test_events_do_not_depend_on_how_bytes_arrive(session: list[tuple[object, ...]], data: st.DataObject) -> None:
    """Split anywhere, the same session gives the same events and the same answers."""
    stream = spoken(session)
    at_once = summarized([stream])
    cuts = sorted({0, len(stream), *data.draw(st.lists(st.integers(0, len(stream)), max_size=10))})
    assert summarized([stream[a:b] for a, b in itertools.pairwise(cuts)]) == at_once
    assert summarized([stream[i : i + 1] for i in range(len(stream))]) == at_once


@given(st.binary(max_size=400))
@example(b"\x80\x03\x00\x01\x00\x00\x00\x0a" + b"\0" * 10)
@example(b"GET / HTTP/1.1\r\n\r\n")
def test_random_bytes_only_ever_end_the_connection(data: bytes) -> None:
    """Whatever comes: events, or RemoteProtocolError with a GOAWAY; nothing else is raised."""
    server = Connection()
    try:
        server.receive_data(data)
    except RemoteProtocolError:
        assert sent_by(server)[-1][0] == frames.FrameType.GOAWAY


@given(sessions, st.integers(0, 2000), st.integers(0, 255))
def test_a_flipped_byte_only_ever_ends_the_connection(session: list[tuple[object, ...]], at: int, value: int) -> None:
    """Sessions with one wrong byte reach further into the codec than noise does."""
    stream = bytearray(spoken(session))
    if stream:
        stream[at % len(stream)] = value
    server = Connection()
    try:
        server.receive_data(bytes(stream))
    except RemoteProtocolError:
        assert sent_by(server)[-1][0] == frames.FrameType.GOAWAY
