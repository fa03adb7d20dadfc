"""Messages whose texts are not UTF-8, as containerd up to 1.6 stores and sends them."""

from __future__ import annotations

import pytest
from google.protobuf import struct_pb2
from google.protobuf.message import DecodeError

from containerd_client.api.containerd.events import events_pb2
from containerd_client.api.containerd.services.containers.v1 import containers_pb2
from containerd_client.api.containerd.services.images.v1 import images_pb2
from containerd_client.encoding.clean_text import parse_message
from containerd_client.encoding.varint import varint

IMAGES = "containerd.services.images.v1.Images"
CONTAINERS = "containerd.services.containers.v1.Containers"


def spoiled(message, *, what=b"BAD"):
    """The bytes of a message with something in them that is no UTF-8, of the same length."""
    return message.SerializeToString().replace(what, b"\xff\xfe\x80"[: len(what)])


def test_labels_names_and_keys_at_any_depth():
    """Each bad byte becomes U+FFFD, and everything else comes back as it was."""
    good = images_pb2.Image(name="docker.io/library/one:1", labels={"a": "b"})
    good.target.digest, good.target.size = "sha256:0", 1 << 40
    bad = images_pb2.Image(name="BAD:1", labels={"kBAD": "v", "k": "vBAD"})
    bad.target.annotations["xBAD"] = "BAD" * 100
    bad.created_at.seconds = 77
    data = spoiled(images_pb2.ListImagesResponse(images=[good, bad, good]))
    with pytest.raises(DecodeError):
        images_pb2.ListImagesResponse.FromString(data)
    first, second, third = parse_message(images_pb2.ListImagesResponse.FromString, data).images
    assert first == third == good
    assert second.name == "\ufffd\ufffd\ufffd:1"
    assert dict(second.labels) == {"k\ufffd\ufffd\ufffd": "v", "k": "v\ufffd\ufffd\ufffd"}
    assert second.target.annotations["x\ufffd\ufffd\ufffd"] == "\ufffd" * 300
    assert second.created_at.seconds == 77


def test_bytes_stay_bytes():
    """What is no text (an extension, a spec, a field that this client does not know) is left alone."""
    record = containers_pb2.Container(id="one", labels={"a": "BAD"})
    record.spec.value = record.extensions["one"].value = bytes(range(128, 256))
    unknown = b"\xfa\x07\x04\xff\xfe\xfd\xfc"  # field 127
    parsed = parse_message(containers_pb2.Container.FromString, spoiled(record) + unknown)
    assert parsed.spec.value == parsed.extensions["one"].value == bytes(range(128, 256))
    assert parsed.SerializeToString().endswith(unknown)


@pytest.mark.parametrize(
    "data",
    [
        b"\x0a\x05\xff",  # a length beyond the end
        b"\x0a\x03a\xff",
        b"\xff" * 11,
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x0b\x0a\x01\xff",  # a group
        b"\x09\xff",  # 8 bytes, of which one is there
        b"\x0d",
        b"\x0a",
        b"\x00",
        b"\x0a\x01\xff" + b"\x07",
    ],
)
def test_what_is_no_message_either_way(data):
    """Damage is still a DecodeError, whatever texts are beside it."""
    with pytest.raises(DecodeError):
        parse_message(images_pb2.ImageDelete.FromString, data)


def test_messages_within_messages_without_end():
    """Nesting that protobuf refuses is refused here too, and not by an error of Python's."""
    data = b"\x1a\x01\xff"  # string_value of a Value
    for tag in (b"\x0a", b"\x32") * 1500:  # values of a ListValue, list_value of a Value
        data = tag + varint(len(data)) + data
    with pytest.raises(DecodeError):
        parse_message(struct_pb2.Value.FromString, data)


def test_a_valid_message_is_parsed_once():
    """The usual answer takes the usual path."""
    message = events_pb2.TaskExit(container_id="one", exit_status=3)
    calls = []

    def parse(data):
        calls.append(data)
        return events_pb2.TaskExit.FromString(data)

    assert parse_message(parse, message.SerializeToString()) == message
    assert len(calls) == 1


async def test_answers_of_containerd(client, fake):
    """One bad label does not fail the list that it is in."""
    bad = containers_pb2.Container(id="bad", labels={"a": "BAD"})
    fake.script[f"{IMAGES}/List"] = [spoiled(images_pb2.ListImagesResponse(images=[images_pb2.Image(name="BAD")]))]
    fake.script[f"{CONTAINERS}/Get"] = [spoiled(containers_pb2.GetContainerResponse(container=bad))]
    assert [image.name for image in await client.images.list()] == ["\ufffd\ufffd\ufffd"]
    assert (await client.containers.get("bad")).labels["a"] == "\ufffd\ufffd\ufffd"
