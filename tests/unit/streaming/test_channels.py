"""The WebSocket sub-protocols: every message to its channel and back, and wrong ones refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.streaming.channels import BY_NAME, Channel, ChannelCodec, ChannelData, ChannelEnd, ChannelError

names = st.sampled_from(sorted(BY_NAME))


@given(names, st.sampled_from(list(Channel)), st.binary(max_size=100))
def test_messages_come_back(name: str, channel: Channel, data: bytes) -> None:
    """What is encoded under a sub-protocol is decoded under it, any bytes, on any channel."""
    codec = ChannelCodec(BY_NAME[name])
    message = codec.encode(channel, data)
    assert isinstance(message, str) == codec.protocol.base64
    assert codec.decode(message) == ChannelData(channel, data)


@given(names, st.binary(max_size=30))
def test_any_message_is_understood_or_refused(name: str, message: bytes) -> None:
    """Nothing but ChannelError is raised, and only channels that exist come out."""
    try:
        event = ChannelCodec(BY_NAME[name]).decode(message)
    except ChannelError:
        return
    assert 0 <= event.channel < len(Channel)


def test_vectors() -> None:
    """The forms that kubectl and the API server send."""
    plain, encoded = ChannelCodec(BY_NAME["v4.channel.k8s.io"]), ChannelCodec(BY_NAME["v4.base64.channel.k8s.io"])
    assert plain.decode(b"\x00ls\n") == ChannelData(0, b"ls\n")
    assert encoded.decode("0bHMK") == ChannelData(0, b"ls\n")
    assert encoded.encode(1, b"x") == "1eA=="
    assert ChannelCodec(BY_NAME["v5.channel.k8s.io"]).decode(b"\xff\x00") == ChannelEnd(0)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("v4.channel.k8s.io", b""),
        ("v4.channel.k8s.io", b"\x05x"),
        ("v4.channel.k8s.io", b"\xff\x00"),
        ("v5.channel.k8s.io", b"\xff"),
        ("v5.channel.k8s.io", b"\xff\x09"),
        ("base64.channel.k8s.io", "0%%%"),
        ("base64.channel.k8s.io", "7eA=="),
    ],
)
def test_wrong_messages_are_refused(name: str, message: bytes | str) -> None:
    """No channel, an unknown one, a close where there is none, and what is not base64."""
    with pytest.raises(ChannelError):
        ChannelCodec(BY_NAME[name]).decode(message)


def test_only_v5_ends_channels() -> None:
    """Older clients would take the number 255 for data."""
    assert {name for name, p in BY_NAME.items() if ChannelCodec(p).encode_end(0)} == {"v5.channel.k8s.io"}
