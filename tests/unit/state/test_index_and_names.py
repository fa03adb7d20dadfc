"""Ids are found by unique prefixes; a name has one holder; the first exit wins."""

from __future__ import annotations

import signal

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import AlreadyExistsError, InvalidArgumentError, NotFoundError
from cri_shim.oci.stop_signal import signal_number
from cri_shim.state.containers import Container, Status, exited, out_of_memory
from cri_shim.state.index import Index
from cri_shim.state.names import Names


def _container(id_: str, **status) -> Container:
    return Container(
        id=id_, name=id_, sandbox_id="s", config=cri.ContainerConfig(), status=Status(**status), image_id="i"
    )


def test_prefixes():
    """A prefix finds its one value, is refused when it fits two, and finds nothing otherwise."""
    index: Index[Container] = Index("container")
    index.put(_container("abc1"))
    index.put(_container("abd2"))
    assert index.get("abc").id == "abc1"
    assert index.find("x") is None
    with pytest.raises(InvalidArgumentError, match="is ambiguous: it matches 2 containers"):
        index.find("ab")
    with pytest.raises(InvalidArgumentError, match="empty"):
        index.find("")
    with pytest.raises(NotFoundError, match="'x'"):
        index.get("x")


def test_update_of_what_has_gone_changes_nothing():
    """A late event of a removed container does not bring it back."""
    index: Index[Container] = Index("container")
    assert index.update("abc", lambda c: c) is None
    assert len(index) == 0


def test_a_name_has_one_holder():
    """Reserving twice for one id is once; for another it is refused until it is released."""
    names = Names()
    names.reserve("n", "a")
    names.reserve("n", "a")
    with pytest.raises(AlreadyExistsError, match="reserved for a"):
        names.reserve("n", "b")
    names.release("a")
    names.reserve("n", "b")
    assert names.holder("n") == "b"


def test_state_follows_from_times():
    """CREATED, RUNNING and EXITED are read off the times; trouble is UNKNOWN whatever they say."""
    assert _container("a", created_at=1).state == cri.CONTAINER_CREATED
    assert _container("a", created_at=1, started_at=2).state == cri.CONTAINER_RUNNING
    assert _container("a", created_at=1, started_at=2, finished_at=3).state == cri.CONTAINER_EXITED
    assert _container("a", created_at=1, started_at=2).replace(unknown_reason="?").state == cri.CONTAINER_UNKNOWN


@pytest.mark.parametrize(
    ("code", "oom", "reason"),
    [(0, False, "Completed"), (1, False, "Error"), (137, True, "OOMKilled"), (137, False, "Error")],
)
def test_reason_of_an_exit(code, oom, reason):
    """The kubelet reads the reason; it follows from the code and the kernel's word."""
    ended = exited(code, 9)(_container("a", created_at=1, started_at=2).replace(oom_killed=oom))
    assert (ended.status.exit_code, ended.status.finished_at, ended.status.reason) == (code, 9, reason)


@pytest.mark.parametrize(
    ("code", "reason", "notified"),
    [(0, "", "Completed"), (137, "", "OOMKilled"), (1, "", "OOMKilled"), (255, "Unknown", "Unknown")],
)
def test_an_exit_whose_out_of_memory_kill_is_known_later(code, reason, notified):
    """The reason is the same, whichever of the two events comes first; one that was known otherwise stays."""
    ended = exited(code, 9, reason=reason)(_container("a", created_at=1, started_at=2))
    later = out_of_memory(ended)
    assert (later.oom_killed, later.status.reason, later.status.finished_at) == (True, notified, 9)


def test_want_of_memory_of_a_container_that_gets_over_it():
    """A container that runs on is not said to have ended."""
    running = _container("a", created_at=1, started_at=2)
    assert out_of_memory(running).status == running.status


def test_the_first_exit_wins():
    """An event and a look may both tell an exit; a container ends once."""
    ended = exited(3, 9)(_container("a", created_at=1, started_at=2))
    assert exited(255, 10, reason="Unknown")(ended) is ended


@pytest.mark.parametrize(
    ("name", "number"),
    [("SIGTERM", 15), ("term", 15), ("9", 9), ("SIGRTMIN+3", 37), ("RTMAX", 64), ("0" * 5000 + "9", 9)],
)
def test_signals_by_name(name, number):
    """Images write signals in many ways."""
    assert signal_number(name) == number


def test_every_signal_of_the_cri():
    """Each has a number, and what is written into the record is what images write."""
    for name, value in cri.Signal.items():
        if value != cri.RUNTIME_DEFAULT:
            assert 0 < signal_number(name) <= signal.SIGRTMAX
    assert signal_number("SIGRTMINPLUS15") == signal.SIGRTMIN + 15
    assert signal_number("SIGRTMAXMINUS14") == signal.SIGRTMAX - 14


@pytest.mark.parametrize(
    "name", ["", "SIGNOPE", "0", "65", "RTMIN+99", "9" * 5000, "RTMIN+" + "1" * 5000, "\u0661", "SIG\ud800"]
)
def test_unknown_signals_are_refused(name):
    """What is no signal is refused before a container is made."""
    with pytest.raises(InvalidArgumentError, match="stop signal"):
        signal_number(name)
