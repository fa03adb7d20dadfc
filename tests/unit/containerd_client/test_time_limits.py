"""No call waits for ever: every method has a time limit, and what runs into it says so."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from containerd_client import Containerd, call, call_options
from containerd_client.errors import DeadlineExceeded, Unknown
from containerd_client.retry import RETRY, Retry
from containerd_client.time_limits import TIME_LIMITS, UNBOUNDED, within

KILL = "containerd.services.tasks.v1.Tasks/Kill"
CREATE = "containerd.services.tasks.v1.Tasks/Create"
READ = "containerd.services.content.v1.Content/Read"

SHORT = 0.2


async def never(_request):
    await asyncio.sleep(60)
    raise AssertionError("nobody waits for this answer")


@pytest.fixture
def hang(fake, monkeypatch):
    """Make a method of the scripted server hang, with a limit that a test can wait for."""

    def make(method):
        fake.script[method] = [never]
        monkeypatch.setitem(TIME_LIMITS, method, SHORT)
        return Containerd(fake.address, namespace="ns")

    return make


def test_every_method_has_a_limit_or_is_open_by_nature():
    """Only waits, event streams and streams that watch their own progress go on for ever."""
    assert set(TIME_LIMITS) == set(RETRY)
    unbounded = {method for method, seconds in TIME_LIMITS.items() if seconds is UNBOUNDED}
    assert {method.rpartition("/")[2] for method in unbounded} == {"Wait", "Subscribe", "Write", "Transfer", "Stream"}
    assert all(RETRY[method] is Retry.NEVER for method in unbounded)


@pytest.mark.parametrize(
    ("limit", "remaining", "expected"), [(None, None, None), (5, None, 5), (None, 3, 3), (5, 3, 3), (5, 9, 5)]
)
def test_the_earlier_one_counts(limit, remaining, expected):
    """The caller may shorten a limit and cannot lengthen it."""
    assert within(limit, remaining) == expected


@pytest.mark.parametrize("method", [KILL, CREATE])
async def test_a_mutation_that_is_never_answered(hang, fake, method):
    """It ends by itself, in words, and is not made a second time: it may have been done."""
    async with hang(method) as client:
        act = client.tasks.kill("x", 9) if method == KILL else client.tasks.create("x")
        with pytest.raises(DeadlineExceeded, match=r"containerd did not answer within 0\.2 s"):
            await asyncio.wait_for(act, 10)
    assert fake.calls(method) == 1


async def test_the_deadline_of_the_caller_is_the_earlier_one(hang):
    """What the options say of a block holds inside it."""
    async with hang(KILL) as client:
        with call_options(timeout=0.05), pytest.raises(DeadlineExceeded, match=r"within 0\.1 s|within 0 s"):
            await asyncio.wait_for(client.tasks.kill("x", 9), 10)


async def test_a_stream_that_is_never_answered(hang, fake):
    """Documents are read with a limit, too."""
    info = "containerd.services.content.v1.Content/Info"
    fake.streaming.add(READ)
    fake.script[info] = [b""]
    async with hang(READ) as client:
        with pytest.raises(DeadlineExceeded):
            await asyncio.wait_for(client.content.read_all("sha256:1", 10), 10)


async def test_containerds_own_time_out_keeps_its_words(client, fake):
    """When containerd says that a shim did not answer it in time, its words are passed on."""
    fake.script[KILL] = [(grpc.StatusCode.DEADLINE_EXCEEDED, "shim: context deadline exceeded")]
    with pytest.raises(DeadlineExceeded, match="shim: context deadline exceeded"):
        await client.tasks.kill("x", 9)


def test_containerd_that_says_first_that_the_limit_has_passed():
    """It has the same limit, and tells it without a kind: the error is that of the limit all the same."""
    said = Unknown(KILL, "failed to delete task: context deadline exceeded: unknown")
    assert isinstance(call.naming_our_limit(said, SHORT, SHORT * 0.97), DeadlineExceeded)
    assert call.naming_our_limit(said, SHORT, SHORT / 2) is said
    other = Unknown(KILL, "runc did not terminate successfully")
    assert call.naming_our_limit(other, SHORT, SHORT) is other
