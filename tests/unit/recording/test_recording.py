"""Recordings: what is restored is what was recorded, and no file does harm."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from containerd_client.hops import Hop
from cri_shim.ledger.known_names import ObjectNames
from cri_shim.ledger.ledger import Ledger
from cri_shim.ledger.record_json import record
from cri_shim.ledger.steps import whole
from cri_shim.ledger.trace_context import TraceContext, span_of
from cri_shim.ledger.transport.transport_estimate import Charge
from cri_shim.network.exec import Helper
from cri_shim.recording.file import (
    MOST_BYTES,
    Recording,
    RecordingError,
    check_writable,
    read_recording,
    write_recording,
)
from cri_shim.recording.restored import restored
from cri_shim.recording.shapes import RequestShape
from cri_shim.recording.site import serving
from cri_shim.timeline import note_wait, stage
from tests.unit.terminal.records import RECORD

if TYPE_CHECKING:
    from pathlib import Path

    from cri_shim.ledger.request import Request

HEAD = {"began_at": 1763942400.0, "ended_at": 1763942460.0, "host": "node-1", "written_by": "1.2.3"}
POD: dict[str, Any] = {
    "id": "a" * 64,
    "namespace": "shop",
    "name": "web",
    "state": "ready",
    "created_at": 1763942400.0,
    "ips": ["10.0.0.1"],
    "containers": [{"id": "b" * 64, "name": "app", "state": "running", "created_at": 1763942401.0}],
    "request_count": 7,
}
SHAPES = ("hops", "helpers", "stages", "waits", "bill", "critical_path", "subject", "pod", "container")


def full(ledger: Ledger) -> Request:
    """A pod start with everything that a request can have, its shares known in each way."""
    request = ledger.open("RunPodSandbox", "v1", TraceContext("a" * 32, "b" * 16))
    request.started -= 1.0
    request.subject = {"name": "web", "namespace": "shop"}
    request.names = ObjectNames("a" * 64, "shop", "web", "b" * 64, "app", "busybox")
    with stage("cri.sandbox.prepare"):
        for number in range(4):
            began = request.started + number / 100
            trace = ledger.note_call("containerd.services.tasks.v1.Tasks/Create", began)
            ledger.note_hop(Hop("containerd.services.tasks.v1.Tasks/Create", began, 0.0071234, 10, 20, 1, "OK", trace))
    ledger.note_helper(Helper("bridge", "ADD", request.started, 0.0512345, 0))
    ledger.note_helper(Helper("portmap", "ADD", request.started, 0.01, None))
    note_wait("lock", request.started + 0.01, ended=request.started + 0.02)
    request.late = {request.hops[2].started: 0.0012}
    request.charges[3] = None
    request.server_spans = {span_of(request.hops[0].trace): 0.004}
    ledger.note_call("containerd.services.tasks.v1.Tasks/Start", request.started + 0.03)
    ledger.close(request, "INTERNAL", "it broke")
    return request


def recorded(path: Path, *requests: Any, **lists: Any) -> Recording:
    """Write a recording of records, and read it."""
    write_recording(path, HEAD, requests=requests, **({"pods": [], "events": []} | lists))
    return read_recording(path)


def test_a_request_comes_back_as_it_was(tmp_path: Path):
    """Bill, shares of each hop, critical path and names: to the last decimal."""
    ledger = Ledger()
    ledger.transport.curve.note(1.0, 0.0007)
    as_json = whole(record(full(ledger)))
    assert {hop["split"] for hop in as_json["hops"]} == {"spans", "estimate", "none"}
    stored = recorded(tmp_path / "file", as_json).ledger.find(as_json["id"])
    assert stored is not None
    again = whole(record(stored))
    for name in as_json:
        if name == "bill":
            continue
        assert again[name] == as_json[name], name
    sums = {"price_error_ms", "wait_ms"}  # of rounded parts, where the daemon rounds the sum
    assert {k: v for k, v in again["bill"].items() if k not in sums} == {
        k: v for k, v in as_json["bill"].items() if k not in sums
    }
    assert all(again["bill"][name] == pytest.approx(as_json["bill"][name], abs=0.0021) for name in sums)


@given(st.integers(0, 10**7), st.integers(0, 10**6), st.integers(0, 10**6), st.booleans())
def test_the_share_of_a_hop_survives(duration, transport, error, spans):
    """To the last decimal, however long it took: microseconds and their tenths are rounded apart."""
    duration, transport, error = (tenths / 1e7 for tenths in (duration, transport, error))
    ledger = Ledger()
    request = ledger.open("RunPodSandbox")
    request.started = 0.0
    ledger.note_hop(Hop("a.Tasks/Create", 0.0, duration, 1, 1, 1, "OK", f"00-{'a' * 32}-{'b' * 16}-01"))
    request.charges = [Charge(transport, error)]
    if spans:
        request.server_spans = {"b" * 16: transport}
    ledger.close(request)
    before = whole(record(request))
    after = whole(record(restored(msgspec.convert(before, RequestShape))))
    for name in ("duration_ms", "daemon_ms", "transport_ms"):
        assert after["hops"][0][name] == pytest.approx(before["hops"][0][name], abs=1e-9), name
    assert after["hops"][0]["transport_error_ms"] == pytest.approx(before["hops"][0]["transport_error_ms"], abs=0.0011)


async def test_the_page_gets_the_answers_of_a_daemon(tmp_path: Path):
    """Requests, pods and totals; the node says that it is a recording, of which node, and when."""
    requests = [
        RECORD | {"id": number, "pod": {"id": "a" * 64, "namespace": "shop", "name": "web"}} for number in (1, 2, 3)
    ]
    recording = recorded(tmp_path / "file", *requests, RECORD | {"id": 9, "method": "Version"}, pods=[POD])
    async with serving(recording, "127.0.0.1:0") as address, aiohttp.ClientSession(f"http://{address}") as session:

        async def get(path: str) -> Any:
            async with session.get(path) as answer:
                assert answer.status == 200
                return await answer.json()

        changes = (await get("/api/requests?reads=0"))["requests"]
        assert [one["id"] for one in changes] == [3, 2, 1]
        one = await get("/api/requests/2")
        assert (one["typical"]["count"], one["neighbours"]["previous"]["id"]) == (2, 1)
        assert [pod["request_count"] for pod in (await get("/api/pods"))["pods"]] == [3]
        assert {row["method"]: row["count"] for row in (await get("/api/methods"))["methods"]} == {
            "RunPodSandbox": 3,
            "Version": 1,
        }
        banner = (await get("/api/node"))["recording"]
        assert (banner["host"], banner["began_at"], banner["requests"]) == ("node-1", HEAD["began_at"], 4)
        async with session.get("/") as answer:
            assert "unsafe" not in answer.headers["Content-Security-Policy"]


def test_only_its_owner_can_read_it(tmp_path: Path):
    """It names pods, images and errors of a node."""
    path = tmp_path / "file"
    path.write_bytes(b'{"format":"cri-shim-recording"')
    path.chmod(0o644)
    write_recording(path, HEAD, requests=[RECORD], pods=[], events=[])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_that_is_something_else_is_not_replaced(tmp_path: Path):
    """A slip of the fingers must not cost a file, and a missing directory is noticed before anything is recorded."""
    other = tmp_path / "notes"
    other.write_text("mine")
    with pytest.raises(RecordingError, match="exists and is not a recording"):
        check_writable(other)
    with pytest.raises(RecordingError, match="not a regular file but a directory"):
        check_writable(tmp_path)
    with pytest.raises(RecordingError, match="No such file or directory"):
        check_writable(tmp_path / "none" / "file")
    with pytest.raises(RecordingError, match="File name too long"):
        check_writable(tmp_path / ("n" * 300))
    check_writable(tmp_path / ("名" * 85))  # as long as a name may be, in bytes
    check_writable(tmp_path / "new")
    recorded(tmp_path / "old", RECORD)
    check_writable(tmp_path / "old")
    assert sorted(os.listdir(tmp_path)) == ["notes", "old"]


def document(**changes: Any) -> dict[str, Any]:
    """A whole recording, with changes."""
    return {"format": "cri-shim-recording", "version": 1, **HEAD, "requests": [RECORD], **changes}


def hop(**changes: Any) -> list[dict[str, Any]]:
    """Requests with one hop that is not as it should be."""
    return [RECORD | {"hops": [RECORD["hops"][0] | changes]}]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is not a recording of cri-shim"),
        (b"\xff\xfe", "it is not a recording of cri-shim"),
        (b"[" * 1_000_000, "it is not a recording of cri-shim|recursion"),
        (b'{"format":"cri-shim-recording","version":1,', "it is damaged"),
        (json.dumps(document()).encode()[:-40], "it is damaged|not a recording"),
        (document(format="another"), "it is not a recording of cri-shim"),
        (document(version=2), "it has version 2 of the format, and this cri-shim reads version 1"),
        (document(version="1"), "not a recording|damaged"),
        (document(requests=[RECORD | {"id": -1}]), "request 0 is damaged"),
        (document(requests=[RECORD | {"id": 2**60}]), "request 0 is damaged"),
        (document(requests=[RECORD, RECORD]), "two requests with the same id"),
        (document(requests=[RECORD | {"started_at": 1e300}]), "request 0 is damaged"),
        (document(requests=hop(start_ms="<script>")), r"request 0 is damaged: .*hops\[0\]\.start_ms"),
        (document(requests=hop(duration_ms=-5)), "request 0 is damaged"),
        (document(requests=hop(duration_ms=1e15)), "request 0 is damaged"),
        (document(requests=hop(split="__proto__")), "request 0 is damaged"),
        (document(requests=hop(method="x" * 10_000)), "request 0 is damaged"),
        (document(requests=[RECORD | {"bill": []}]), "request 0 is damaged"),
        (document(requests=[RECORD | {"subject": {str(n): "" for n in range(100)}}]), "request 0 is damaged"),
        (document(pods=[{"id": 5}]), "pod 0 is damaged"),
        (document(events=[{"at_ms": 1, "event": "eval"}]), "event 0 is damaged"),
        (document(requests=[RECORD] * 10_001), "it has 10001 requests, and at most 10000 can be shown"),
        (document(node={"loop_lag_ms": "1"}), "damaged|not a recording"),
    ],
)
def test_a_file_that_is_damaged_or_made_to_harm_is_refused(tmp_path: Path, content: Any, said: str):
    """In one sentence that names the file, and no traceback."""
    path = tmp_path / "file"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(RecordingError, match=said) as refused:
        read_recording(path)
    assert str(path) in str(refused.value)
    assert str(refused.value).isprintable()


def test_a_file_without_an_end_is_not_read(tmp_path: Path):
    """Neither a pipe, nor a device, nor a file that would not fit into memory."""
    os.mkfifo(tmp_path / "pipe")
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    for path, said in ((tmp_path / "pipe", "FIFO"), (large, "larger than"), (tmp_path / "none", "No such file")):
        with pytest.raises(RecordingError, match=said):
            read_recording(path)


def test_texts_are_cleaned(tmp_path: Path):
    """No text can steer a terminal, turn the direction of writing or fill a page."""
    requests = [
        RECORD
        | {"method": "\x1b[2J", "error": "\u202eabc", "subject": {"\x00": "y" * 8000}}
        | {"pod": {"id": "\x07", "namespace": "\n", "name": "<img src=x>"}}
    ]
    recording = recorded(tmp_path / "file", *requests, pods=[POD | {"name": "\x1b", "reason": "z" * 8000}])
    request = recording.ledger.find(RECORD["id"])
    assert request is not None
    shown = json.dumps([whole(record(request)), recording.pods], ensure_ascii=False)
    assert shown.isprintable()
    assert len(shown) < 8000
    assert "<img src=x>" in shown, "which is no harm: the page never parses a text as HTML"


@given(st.binary(max_size=300))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes):
    """They are refused, whatever they are."""
    path = tmp_path_factory.getbasetemp() / "bytes"
    path.write_bytes(data)
    with pytest.raises(RecordingError):
        read_recording(path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(RECORD)), VALUES)
def test_any_value_anywhere(tmp_path_factory: pytest.TempPathFactory, name: str, value: Any):
    """A request with one value replaced is either refused or can be shown."""
    path = tmp_path_factory.getbasetemp() / "values"
    path.write_text(json.dumps(document(requests=[RECORD | {name: value}])))
    try:
        recording = read_recording(path)
    except RecordingError:
        return
    (packed,) = recording.ledger.newest()
    json.dumps(whole(record(packed.request())), allow_nan=False)
