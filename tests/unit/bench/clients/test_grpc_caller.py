"""The in-process client: what it sends, what it keeps of an answer."""

from __future__ import annotations

import time

import grpc
import pytest

from cri_shim.bench.clients.grpc_caller import GrpcCaller
from tests.unit.bench.fake_endpoint import BILL, FAILURE, serving


async def test_a_call_says_when_it_was_sent_and_keeps_the_bill(tmp_path):
    """The time is that of the wall clock in nanoseconds, taken between begin and end of the call."""
    async with serving(tmp_path) as endpoint:
        caller = GrpcCaller(endpoint.address)
        before = time.time_ns()
        answer = await caller.call("/test.Service/Echo", b"hello", 10)
        after = time.time_ns()
        await caller.close()
    assert (answer.content, answer.bill) == (b"hello", BILL)
    assert 0 < answer.ms <= (after - before) / 1e6
    (metadata,) = endpoint.metadata
    assert before <= int(metadata["cri-shim-sent"]) <= after


async def test_an_error_is_grpcs(tmp_path):
    """With code and text as the endpoint gave them."""
    async with serving(tmp_path) as endpoint:
        caller = GrpcCaller(endpoint.address)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await caller.call("/test.Service/Fail", b"", 10)
        await caller.close()
    assert failed.value.code() is grpc.StatusCode.NOT_FOUND
    assert failed.value.details() == FAILURE
