"""Processes that no runtime could start: refused before a shim hangs over the error."""

from __future__ import annotations

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError
from cri_shim.oci.capabilities import wanted
from cri_shim.oci.process import check_process, exec_process


def process(**changes):
    """A process that can be started, with some of it changed."""
    return {"args": ["sh", "-c", "x" * 100_000], "cwd": "/", "env": ["A=b", "EMPTY="], **changes}


def test_what_can_be_started():
    """Arguments may be long; the program's name is a path."""
    check_process(process())
    check_process(process(args=["/" + "a" * 4094]))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"args": ["x" * 70_000]}, "a name of 70000 bytes"),
        ({"args": ["a", "b\0c"]}, "argument 1 of the command"),
        ({"cwd": "/" + "x" * 300}, "component of 300 bytes"),
        ({"cwd": "/a\0"}, "contains a NUL character"),
        ({"env": ["=value" * 20_000]}, "'' of the image or request has no name"),
        ({"env": ["A=b", "B=c\0" + "d" * 100_000]}, "environment variable 'B' of the image or request contains a NUL"),
    ],
)
def test_what_cannot(changes, says):
    """In one short sentence, whatever the size."""
    with pytest.raises(InvalidArgumentError, match=says) as refused:
        check_process(process(**changes))
    assert len(str(refused.value)) < 1000


def test_a_command_in_a_container():
    """ExecSync and Exec are held to the same."""
    with pytest.raises(InvalidArgumentError, match="a name of 3000000 bytes"):
        exec_process(process(), ["x" * 3_000_000], tty=False)


def test_a_capability_that_cannot_be():
    """A runtime would list it in a warning."""
    with pytest.raises(InvalidArgumentError, match="longer than any") as refused:
        wanted(cri.Capability(add_capabilities=["X" * 300_000]), ())
    assert len(str(refused.value)) < 200
