"""Every request that tests/hostile/requests says is refused, sent to the whole daemon."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import grpc
import pytest
from google.protobuf import json_format

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure
from tests.hostile.inputs import HERE, read

if TYPE_CHECKING:
    from lab.lab import Lab
    from tests.hostile.inputs import Input

pytestmark = pytest.mark.usefixtures("nothing_left")

FOLDER = HERE / "requests"


async def answer(lab: Lab, given: Input) -> tuple[grpc.StatusCode, str]:
    """What the client hears."""
    described = json.loads(given.data)
    request = json_format.ParseDict(described["request"], getattr(cri, f"{described['rpc']}Request")())
    fields = {field.name: value for field, value in request.ListFields()}
    try:
        return await failure(getattr(lab.client, described["rpc"])(**fields, _deadline=10))
    except AssertionError as error:
        return grpc.StatusCode.OK, str(error)


async def test_they_are_refused_before_any_work(lab: Lab) -> None:
    """The client hears that its argument is wrong, and which; nothing is made."""
    refused = [given for path in sorted(FOLDER.glob("*.toml")) if not (given := read(path)).accepted]
    assert refused
    answers = {given.name: await answer(lab, given) for given in refused}
    wrong = {
        given.name: answers[given.name]
        for given in refused
        if answers[given.name][0] != grpc.StatusCode.INVALID_ARGUMENT
        or given.expectation["error"] not in answers[given.name][1]
    }
    assert wrong == {}
