"""``cri-shim hops record`` and ``--recording``: what is remembered, what happens meanwhile, and the limits."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest

from cri_shim.cli import main
from cri_shim.recording.file import read_recording
from cri_shim.terminal import record as module
from cri_shim.terminal.fetch import Explorer, UnreachableError
from cri_shim.terminal.record import Recorder, record
from cri_shim.terminal.signals import ending_signals
from tests.unit.terminal.records import RECORD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WEB = {"id": "a" * 64, "namespace": "shop", "name": "web"}
NODE = {"version": "1.2.3", "containerd_version": "1.6.20", "loop_lag_ms": 0.1, "pods": 1, "containers": 0}


class Daemon:
    """Answers as the listener does; ``happens`` are its live events, after which it goes away unless it ``stays``."""

    def __init__(
        self, *requests: dict[str, Any], happens: tuple[tuple[str, Any], ...] = (), stays: bool = True
    ) -> None:
        self.requests = {one["id"]: one for one in requests}
        self.happens = happens
        self.stays = stays
        self.knows_pods = True
        self.done = threading.Event()

    def get(self, path: str, **query: str) -> Any:
        match path.removeprefix("/api/").split("/"):
            case ["node"]:
                return NODE
            case ["calibration"]:
                return {"null_calls": 5}
            case ["pods"] if self.knows_pods:
                return {"pods": [WEB, WEB | {"id": "b" * 64, "name": "db"}]}
            case ["requests"]:
                return {"requests": [self.requests[number] for number in sorted(self.requests) if number < 100]}
            case ["requests", number] if int(number) in self.requests:
                assert query == {"typical": "0", "neighbours": "0"}, "the daemon does not compute what is thrown away"
                return self.requests[int(number)] | {"typical": None, "neighbours": {}}
        raise KeyError(path)

    def live(self) -> Iterator[tuple[str, Any]]:
        yield from self.happens
        self.done.set()
        if self.stays:
            threading.Event().wait(60)


def explorer(daemon: Daemon) -> Explorer:
    return cast("Explorer", daemon)


def request(number: int, **changes: Any) -> dict[str, Any]:
    return RECORD | {"id": number, "pod": WEB, "container": None} | changes


def test_what_is_remembered_and_what_happens(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Requests that end while it records are in it, and those that still run are counted."""
    happens = (
        ("start", {"id": 100, "method": "StopPodSandbox", "subject": {}}),
        ("hop", {"id": 100, "method": "a.Tasks/Kill", "phase": "start", "code": ""}),
        ("end", {"id": 100, "bill": {}}),
        ("lost", {"events": 3}),
    )
    daemon = Daemon(request(1), request(2, running=True), request(100, method="StopPodSandbox"), happens=happens)
    path = tmp_path / "file"
    assert record(explorer(daemon), path, seconds=1.0, pod="") == 0
    recording = read_recording(path)
    assert [packed.id for packed in recording.ledger.newest()] == [1, 100]
    assert [(event.event, event.id) for event in recording.events] == [
        *(("start", 100), ("hop", 100), ("end", 100), ("lost", 0))
    ]
    assert (recording.about.left_out.running, recording.about.left_out.events) == (1, 3)
    assert (recording.about.node.containerd_version, recording.about.complete) == ("1.6.20", True)
    assert [pod["name"] for pod in recording.pods] == ["web", "db"]
    assert recording.calibration == {"null_calls": 5}
    said = capsys.readouterr()
    assert said.out == ""
    assert f"{path}: 2 requests, 2 pods, 4 live events" in said.err


def test_one_pod(tmp_path: Path):
    """Neither requests nor events nor pods of another are written."""
    happens = (("end", {"id": 100}), ("hop", {"id": 0, "method": "a.Version/Version", "phase": "end", "code": "OK"}))
    daemon = Daemon(request(1, pod=None), request(2), request(100, pod=WEB | {"name": "db"}), happens=happens)
    path = tmp_path / "file"
    assert record(explorer(daemon), path, seconds=0.5, pod="shop/web") == 0
    recording = read_recording(path)
    assert [packed.id for packed in recording.ledger.newest()] == [2]
    assert recording.events == []
    assert [pod["name"] for pod in recording.pods] == ["web"]
    assert recording.about.pod == "shop/web"


def test_a_daemon_that_goes_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """What was recorded is written all the same; the file, the exit code and a sentence say that it is not all."""
    path = tmp_path / "file"
    assert record(explorer(Daemon(request(1), stays=False)), path, seconds=None, pod="") == 1
    recording = read_recording(path)
    assert [packed.id for packed in recording.ledger.newest()] == [1]
    assert not recording.about.complete
    assert "the recording ends early: the daemon has ended" in capsys.readouterr().err


def test_no_daemon(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """It does not say that it records before it does; the error says how another daemon is named."""
    path = tmp_path / "file"
    with pytest.raises(UnreachableError, match="--config FILE or --address ADDRESS names another one"):
        record(Explorer(str(tmp_path / "no-socket")), path, seconds=None, pod="")
    assert capsys.readouterr().err == ""
    assert not path.exists()


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "for 0.2 s; Ctrl-C ends it sooner"), (None, "g; Ctrl-C ends it and")]
)
def test_what_it_says_while_it_records(
    seconds: float | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """How long it takes, if that was chosen."""
    record(explorer(Daemon(request(1), stays=seconds is not None)), tmp_path / "file", seconds=seconds, pod="")
    assert said in capsys.readouterr().err


def test_a_daemon_of_the_release_before(tmp_path: Path):
    """It has no list of pods, and names none."""
    daemon = Daemon(RECORD | {"id": 1})
    daemon.knows_pods = False
    path = tmp_path / "file"
    assert record(explorer(daemon), path, seconds=0.2, pod="") == 0
    recording = read_recording(path)
    assert recording.pods == []
    assert recording.ledger.find(1) is not None


def test_a_signal_ends_it(tmp_path: Path):
    """The file is written as if its time were over."""
    daemon = Daemon(request(1))
    recorder = Recorder(explorer(daemon), "")
    ended = threading.Event()
    ended.set()
    assert recorder.follow(ended, None) == ""
    recorder.write(tmp_path / "file")
    about = read_recording(tmp_path / "file").about
    assert about.complete
    assert about.left_out.requests == 1, "what was not asked for yet is counted"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_of_a_recording_that_was_shown(file: Path, tmp_path: Path, number: signal.Signals):
    """However it ends, also by closing the terminal: socket, lock and the directories that were made for them go."""
    path = tmp_path / "of" / "it" / "socket"
    command = [sys.executable, "-m", "cri_shim.cli", "hops", "open", str(file), "--listen", f"unix://{path}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as shown:
        assert shown.stdout is not None
        assert b"until Ctrl-C" in shown.stdout.readline()
        assert path.exists()
        shown.send_signal(number)
        assert shown.wait() == 0
    assert not (tmp_path / "of").exists()


def test_a_hangup_that_is_ignored_ends_nothing(monkeypatch: pytest.MonkeyPatch):
    """As under nohup."""
    assert signal.SIGHUP in ending_signals()
    monkeypatch.setattr(signal, "getsignal", lambda _: signal.SIG_IGN)
    assert ending_signals() == [signal.SIGINT]


def test_the_oldest_give_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A recording has a limit in requests and in bytes; what is beyond is counted."""
    monkeypatch.setattr(module, "MOST_REQUESTS", 3)
    recorder = Recorder(explorer(Daemon(*(request(number) for number in range(1, 9)))), "")
    assert recorder.follow(threading.Event(), 0.2) == ""
    recorder.write(tmp_path / "file")
    recording = read_recording(tmp_path / "file")
    assert [packed.id for packed in recording.ledger.newest()] == [6, 7, 8]
    assert recording.about.left_out.requests == 5
    monkeypatch.setattr(module, "MOST_REQUESTS", 100)
    monkeypatch.setattr(module, "_ROOM", 2 * len(json.dumps(request(1))))
    recorder = Recorder(explorer(Daemon(*(request(number) for number in range(1, 9)))), "")
    assert recorder.follow(threading.Event(), 0.2) == ""
    recorder.write(tmp_path / "file")
    assert [packed.id for packed in read_recording(tmp_path / "file").ledger.newest()] == [7, 8]


def test_nothing_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No file is written, and none is left half."""

    def refused(_path: str, **_query: str) -> Any:
        raise UnreachableError("no daemon")

    daemon = Daemon()
    monkeypatch.setattr(daemon, "get", refused)
    with pytest.raises(UnreachableError):
        record(explorer(daemon), tmp_path / "file", seconds=1, pod="")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A recording of three requests."""
    path = tmp_path / "file"
    daemon = Daemon(*(request(number) for number in (1, 2, 3)))
    assert record(explorer(daemon), path, seconds=0.2, pod="") == 0
    return path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["hops"], "RunPodSandbox"),
        (["hops", "show"], "RunPodSandbox 3  OK"),
        (["hops", "show", "2"], "the answer waited for these"),
        (["hops", "show", "--pod", "shop/web", "--format", "trace-event"], '"traceEvents"'),
        (["hops", "slowest"], "RunPodSandbox"),
        (["hops", "--json"], '"methods"'),
        (["explain", "RunPodSandbox"], "bridge of the node"),
    ],
)
def test_the_commands_answer_from_a_recording(
    file: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
):
    """Each as from the daemon, which need not run."""
    assert main([*arguments, "--recording", str(file)]) == 0
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["hops", "--recording", "FILE"], ["hops", "open", "FILE"], ["explain", "--recording", "FILE"]]
)
def test_a_file_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]):
    """One sentence, no traceback, and no daemon is asked instead."""
    path = tmp_path / "notes"
    path.write_text("mine")
    assert main([str(path) if one == "FILE" else one for one in arguments]) == 1
    assert capsys.readouterr().err == f"{path} cannot be opened: it is not a recording of cri-shim\n"


def test_an_address_that_is_taken_or_none(file: Path, capsys: pytest.CaptureFixture[str]):
    """The reason is said."""
    assert main(["hops", "open", str(file), "--listen", "nowhere"]) == 1
    assert capsys.readouterr().err == "nowhere is not an address: name IP:PORT or unix:///PATH\n"
    for address in ("127.0.0.1:70000", "127.0.0.1:-1", ":0"):
        assert main(["hops", "open", str(file), "--listen", address]) == 1
        assert capsys.readouterr().err == f"{address} is not an address: name IP:PORT or unix:///PATH\n"
