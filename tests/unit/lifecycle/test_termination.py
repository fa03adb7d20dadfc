"""Ending a process whose shim or kernel hangs: in words, within a time, and without a false end."""

from __future__ import annotations

import asyncio
import signal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from containerd_client import DeadlineExceeded, NotFound, Unavailable, Unknown
from containerd_client.api.containerd.v1.types import types_pb2 as task_types
from cri_shim.errors import UnavailableError
from cri_shim.lifecycle import termination
from cri_shim.lifecycle.termination import kill_and_wait, record_if_ended, send_signal

if TYPE_CHECKING:
    from cri_shim.service import Service

ID = "a" * 64
GET = "containerd.services.tasks.v1.Tasks/Get"
KILL = "containerd.services.tasks.v1.Tasks/Kill"


class FakeService:
    """A container whose task answers as the test wants, and the exits that were recorded for it."""

    def __init__(self, *, get: Any = None, kill: Any = None) -> None:
        self.reported: list[tuple[str, int]] = []
        self.exits = SimpleNamespace(ended=self._ended, wait=self._wait)
        self.containers = {ID}
        self._ended_event = asyncio.Event()

        async def answer(value: Any) -> Any:
            if isinstance(value, Exception):
                raise value
            return value

        self.containerd = SimpleNamespace(
            tasks=SimpleNamespace(get=lambda *_: answer(get), kill=lambda *_, **__: answer(kill))
        )

    async def _ended(self, id_: str, code: int, _at_ns: int, *, reason: str = "") -> None:
        assert bool(reason) is (code == 255)
        self.reported.append((id_, code))
        self._ended_event.set()

    async def _wait(self, _id: str) -> None:
        await self._ended_event.wait()


def service(**answers: Any) -> tuple[FakeService, Service]:
    """The same object, twice: as what it is and as what it stands for."""
    fake = FakeService(**answers)
    return fake, cast("Service", fake)


async def by_containerd(_id: str, _number: int) -> bool:
    """Leave a signal to containerd."""
    return False


@pytest.mark.parametrize(
    "answer",
    [
        Unavailable(GET, "away"),
        Unavailable(GET, "no connection", never_sent=True),
        Unknown(GET, "ttrpc: closed: unknown"),
        DeadlineExceeded(GET, "late"),
        task_types.Process(id=ID, status=task_types.UNKNOWN),
        task_types.Process(id=ID, status=task_types.RUNNING),
    ],
)
async def test_no_answer_is_no_end(answer):
    """Only a task that has stopped, or is not there, has ended."""
    fake, given = service(get=answer)
    await record_if_ended(given.containerd, given.exits, ID)
    assert fake.reported == []


@pytest.mark.parametrize(
    ("answer", "code"),
    [(NotFound(GET, "gone"), 255), (task_types.Process(id=ID, status=task_types.STOPPED, exit_status=4), 4)],
)
async def test_an_end(answer, code):
    """The exit is recorded once it is certain."""
    fake, given = service(get=answer)
    await record_if_ended(given.containerd, given.exits, ID)
    assert fake.reported == [(ID, code)]


async def test_a_shim_that_does_not_take_the_signal():
    """The error names the container and says that nothing is known of it."""
    _, given = service(kill=DeadlineExceeded(KILL, "containerd did not answer within 10 s"))
    with pytest.raises(UnavailableError, match=f"SIGKILL could not be sent to container {ID}: its shim"):
        await kill_and_wait(given.containerd, given.containers, given.exits, by_containerd, ID)


@pytest.mark.parametrize(
    ("number", "name"),
    [
        *((signal.SIGTERM, "SIGTERM"), (32, "signal 32"), (signal.SIGRTMIN, "SIGRTMIN"), (37, r"SIGRTMIN\+3")),
        (signal.SIGRTMAX, "SIGRTMAX"),
    ],
)
async def test_every_signal_has_a_name(number, name):
    """Images may ask for any number, and most real-time signals have no name in Python."""
    _, given = service(kill=DeadlineExceeded(KILL, "containerd did not answer within 10 s"))
    with pytest.raises(UnavailableError, match=f"{name} could not be sent to container {ID}: its shim"):
        await send_signal(given.containerd, given.containers, by_containerd, ID, number)


@pytest.mark.parametrize("ends", [True, False])
async def test_a_signal_that_needs_no_shim(monkeypatch, ends):
    """The shim is asked only if the process lives on, and then the error says that the shim does not answer."""
    monkeypatch.setattr(termination, "DIRECT_SECONDS", 0.05)
    fake, given = service(kill=DeadlineExceeded(KILL, "containerd did not answer within 10 s"))

    async def send(id_: str, number: int) -> bool:
        assert (id_, number) == (ID, signal.SIGKILL)
        if ends:
            await fake.exits.ended(ID, 137, 1)
        return True

    killing = kill_and_wait(given.containerd, given.containers, given.exits, send, ID)
    if ends:
        await killing
    else:
        with pytest.raises(UnavailableError, match=f"SIGKILL was sent to container {ID}, but its shim does not answer"):
            await killing


async def test_a_process_that_does_not_end(monkeypatch):
    """One in the kernel's hands is not waited for without end."""
    monkeypatch.setattr(termination, "ENDED_SECONDS", 0.1)
    monkeypatch.setattr(termination, "POLL_EVERY", 0.02)
    fake, given = service(get=task_types.Process(id=ID, status=task_types.RUNNING))
    with pytest.raises(UnavailableError, match=f"container {ID} has not ended within"):
        await asyncio.wait_for(kill_and_wait(given.containerd, given.containers, given.exits, by_containerd, ID), 10)
    assert fake.reported == []
