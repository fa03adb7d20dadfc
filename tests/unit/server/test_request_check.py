"""The check at the door: which values it finds, how it names their place, and what it costs a List."""

from __future__ import annotations

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError
from cri_shim.server.request_check import RequestCheck


def problem(message):
    """What the check says of a message; empty for nothing."""
    try:
        RequestCheck(message.DESCRIPTOR).check(message, message.SerializeToString())
    except InvalidArgumentError as error:
        return str(error)
    return ""


def test_every_enum_of_every_request_is_looked_at():
    """Wherever an enum stands in a request, the first number that it does not name is refused with its path."""
    tried = 0
    for service in cri.DESCRIPTOR.services_by_name.values():
        for method in service.methods:
            for path, set_to in enum_fields(method.input_type):
                message = getattr(cri, method.input_type.name)()
                set_to(message, 9999)
                assert problem(message).startswith(f"{path} is 9999"), (method.name, path)
                tried += 1
    assert tried > 25


def enum_fields(descriptor, depth=0):
    """The paths of all enums below a message, each with a function that sets it."""
    for field in descriptor.fields:
        if field.enum_type is not None:
            assert not field.is_repeated
            yield field.name, lambda message, value, name=field.name: setattr(message, name, value)
        elif field.message_type is not None and not field.message_type.GetOptions().map_entry and depth < 8:
            for path, set_to in enum_fields(field.message_type, depth + 1):
                yield _below(field, path, set_to)


def _below(field, path, set_to):
    name = field.name
    if field.is_repeated:
        return f"{name}[0].{path}", lambda message, value: set_to(getattr(message, name).add(), value)
    return f"{name}.{path}", lambda message, value: set_to(getattr(message, name), value)


def test_known_values_pass():
    """Zero, which means that nothing was said, and every value that has a name."""
    for value in (cri.POD, cri.CONTAINER, cri.NODE, cri.TARGET):
        options = cri.NamespaceOption(network=value)
        message = cri.RunPodSandboxRequest()
        message.config.linux.security_context.namespace_options.CopyFrom(options)
        assert problem(message) == ""


def test_the_sentence_says_what_there_is():
    """The field, the value, and the values that exist; of an enum with many the first."""
    message = cri.RunPodSandboxRequest()
    message.config.port_mappings.add(protocol=9)
    assert problem(message) == (
        "config.port_mappings[0].protocol is 9, which the CRI of this daemon does not define; "
        "Protocol is one of TCP (0), UDP (1), SCTP (2)"
    )
    stop = cri.CreateContainerRequest()
    stop.config.stop_signal = 200  # type: ignore[assignment]
    assert problem(stop).endswith("and 58 more")


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"config": {"hostname": "a\0"}}, "config.hostname "),
        ({"config": {"labels": {"k\0": "v"}}}, "config.labels key 'k\\x00' "),
        ({"config": {"labels": {"k": "v\0"}}}, "config.labels['k'] "),
        ({"config": {"annotations": {"k\0": "v"}}}, "config.annotations key 'k\\x00' "),
        ({"config": {"dns_config": {"options": ["a", "b\0"]}}}, "config.dns_config.options[1] "),
        ({"runtime_handler": "\0"}, "runtime_handler "),
        ({"config": {"annotations": {"k": "v\0"}}}, ""),
    ],
)
def test_nul(fields, place):
    """Strings wherever they are, map keys and values; the values of annotations may hold one."""
    said = problem(cri.RunPodSandboxRequest(**fields))
    assert said.startswith(f"{place}contains a NUL") if place else not said


def test_bytes_and_credentials():
    """A variable's value ends in a C string; a password does not."""
    message = cri.CreateContainerRequest()
    message.config.envs.add(key="A", value=b"x\0")
    assert problem(message).startswith("config.envs[0].value contains a NUL")
    assert problem(cri.PullImageRequest(auth=cri.AuthConfig(password="a\0"))) == ""


def test_a_message_with_zero_bytes_of_its_own_is_not_refused():
    """An empty message inside of another is a zero on the wire; that is not a NUL in a string."""
    message = cri.RunPodSandboxRequest()
    message.config.dns_config.SetInParent()
    assert b"\0" in message.SerializeToString()
    assert problem(message) == ""
