"""Requests that no kubelet of today sends: refused at the door in words, or let in to where containerd is asked.

An input is JSON: the RPC's name, and its request in protobuf's JSON form. The RPC itself is called, without anything
behind it, so an input that is accepted is one that got past every check of the request alone.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from google.protobuf import json_format

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError
from cri_shim.rpc import RPCS
from cri_shim.server.request_check import RequestCheck
from tests.hostile.inputs import Input, check_refusal, every


class PastTheChecksError(Exception):
    """The request was found fit, and the work would begin."""


class Nothing:
    """Stands for the Service: a request that asks it for a collaborator has passed the checks."""

    def __getattr__(self, name: str) -> Any:
        raise PastTheChecksError(name)


def ask(given: Input) -> None:
    """Do to a request what is done before any work."""
    described = json.loads(given.data)
    request = getattr(cri, f"{described['rpc']}Request")()
    json_format.ParseDict(described["request"], request)
    RequestCheck(request.DESCRIPTOR).check(request, request.SerializeToString())
    asyncio.run(RPCS[described["rpc"]].function(Nothing(), request))


@every("requests")
def test_request(given: Input) -> None:
    """Refused with the field and what was wrong with it, or accepted."""
    with pytest.raises((InvalidArgumentError, PastTheChecksError)) as ended:
        ask(given)
    assert isinstance(ended.value, PastTheChecksError) == given.accepted, ended.value
    if not given.accepted:
        check_refusal(given, ended.value)
