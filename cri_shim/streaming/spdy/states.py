"""The life of one stream as a table: (state, step) → next state; a pair that is not in the table is forbidden.

Theory of operation. SYN_STREAM opens a stream and SYN_REPLY answers it; only then may its opener's peer send data. Each
direction ends by itself with a FIN flag, which may be set on any frame that has it; here it is a step of its own, after
the frame that carried it. RST_STREAM ends both directions from any state. Closed streams are forgotten: whether an
unknown id is IDLE or CLOSED follows from the highest id seen so far.
"""

from __future__ import annotations

import enum


class State(enum.Enum):
    """The state of a stream, seen from this end."""

    IDLE = "idle"
    OFFERED = "offered by the peer, not answered"
    OFFERED_ENDED = "offered and ended by the peer, not answered"
    ASKED = "opened by us, not answered"
    ASKED_ENDED = "opened and ended by us, not answered"
    OPEN = "open both ways"
    LOCAL_ENDED = "ended by us"
    REMOTE_ENDED = "ended by the peer"
    CLOSED = "over"


class Step(enum.Enum):
    """What happens to a stream; FIN is a step of its own."""

    RECEIVE_SYN = "the peer opens it"
    RECEIVE_REPLY = "the peer answers"
    RECEIVE_HEADERS = "headers arrive"
    RECEIVE_DATA = "data arrive"
    RECEIVE_FIN = "the peer ends its direction"
    RECEIVE_RESET = "the peer resets it"
    RECEIVE_WINDOW = "the peer takes more"
    SEND_SYN = "we open it"
    SEND_REPLY = "we answer"
    SEND_DATA = "we send data"
    SEND_FIN = "we end our direction"
    SEND_RESET = "we reset it"
    SEND_WINDOW = "we take more"


_I, _C = State.IDLE, State.CLOSED

TRANSITIONS: dict[tuple[State, Step], State] = {
    (_I, Step.RECEIVE_SYN): State.OFFERED,
    (_I, Step.SEND_SYN): State.ASKED,
    # The peer's streams, until we have answered. The peer may send data before that.
    (State.OFFERED, Step.RECEIVE_DATA): State.OFFERED,
    (State.OFFERED, Step.RECEIVE_HEADERS): State.OFFERED,
    (State.OFFERED, Step.RECEIVE_FIN): State.OFFERED_ENDED,
    (State.OFFERED, Step.RECEIVE_WINDOW): State.OFFERED,
    (State.OFFERED, Step.SEND_WINDOW): State.OFFERED,
    (State.OFFERED, Step.SEND_REPLY): State.OPEN,
    (State.OFFERED_ENDED, Step.RECEIVE_WINDOW): State.OFFERED_ENDED,
    (State.OFFERED_ENDED, Step.SEND_REPLY): State.REMOTE_ENDED,
    # Our streams, until the peer has answered.
    (State.ASKED, Step.SEND_DATA): State.ASKED,
    (State.ASKED, Step.SEND_FIN): State.ASKED_ENDED,
    (State.ASKED, Step.RECEIVE_WINDOW): State.ASKED,
    (State.ASKED, Step.RECEIVE_REPLY): State.OPEN,
    (State.ASKED_ENDED, Step.RECEIVE_WINDOW): State.ASKED_ENDED,
    (State.ASKED_ENDED, Step.RECEIVE_REPLY): State.LOCAL_ENDED,
    # Streams that are answered.
    (State.OPEN, Step.RECEIVE_DATA): State.OPEN,
    (State.OPEN, Step.RECEIVE_HEADERS): State.OPEN,
    (State.OPEN, Step.RECEIVE_WINDOW): State.OPEN,
    (State.OPEN, Step.RECEIVE_FIN): State.REMOTE_ENDED,
    (State.OPEN, Step.SEND_DATA): State.OPEN,
    (State.OPEN, Step.SEND_WINDOW): State.OPEN,
    (State.OPEN, Step.SEND_FIN): State.LOCAL_ENDED,
    (State.LOCAL_ENDED, Step.RECEIVE_DATA): State.LOCAL_ENDED,
    (State.LOCAL_ENDED, Step.RECEIVE_HEADERS): State.LOCAL_ENDED,
    (State.LOCAL_ENDED, Step.RECEIVE_WINDOW): State.LOCAL_ENDED,
    (State.LOCAL_ENDED, Step.SEND_WINDOW): State.LOCAL_ENDED,
    (State.LOCAL_ENDED, Step.RECEIVE_FIN): _C,
    (State.REMOTE_ENDED, Step.RECEIVE_WINDOW): State.REMOTE_ENDED,
    (State.REMOTE_ENDED, Step.SEND_DATA): State.REMOTE_ENDED,
    (State.REMOTE_ENDED, Step.SEND_FIN): _C,
    # Frames that were under way when the stream ended are normal and have no effect any more.
    (_C, Step.RECEIVE_WINDOW): _C,
    (_C, Step.RECEIVE_RESET): _C,
    **{(state, step): _C for state in State if state not in (_I, _C) for step in (Step.RECEIVE_RESET, Step.SEND_RESET)},
}
"""The whole life of a stream."""
