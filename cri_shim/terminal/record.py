"""The command ``cri-shim hops record``: write what the daemon remembers, and what happens meanwhile, into a file."""

from __future__ import annotations

import json
import queue
import signal
import socket
import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import cri_shim
from cri_shim.recording.file import MOST_BYTES, MOST_EVENTS, MOST_PODS, RecordingError, check_writable, write_recording
from cri_shim.recording.recorded_ledger import MOST_REQUESTS
from cri_shim.terminal.durations import size
from cri_shim.terminal.fetch import UnreachableError
from cri_shim.terminal.screen import print_error
from cri_shim.terminal.signals import ending_signals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import FrameType

    from cri_shim.terminal.fetch import Explorer

_LIMIT: Final = "2000"
_TICK: Final = 0.2
"""Seconds between two looks whether the recording is to end."""
_ROOM: Final = MOST_BYTES * 3 // 4
"""Bytes for requests; the rest is for events, pods and the head."""
_KEPT: Final = {"id", "method", "name", "command", "phase", "code", "events"}
"""What is kept of a live event; the summary of a request is in the recording anyway."""


def record(explorer: Explorer, path: Path, *, seconds: float | None, pod: str) -> int:
    """Record until ``seconds`` have passed, or a signal comes, or the daemon goes away; return the exit code.

    With ``pod`` (``NAMESPACE/NAME``), only what is about that pod is written.
    """
    try:
        check_writable(path)
        recorder = Recorder(explorer, pod)
        with _ended_by_signals() as ended:
            recorder.reach()
            length = "; Ctrl-C ends it" if seconds is None else f" for {seconds:g} s; Ctrl-C ends it sooner"
            print_error(f"recording{length} and writes the file")
            problem = recorder.follow(ended, seconds)
            written = recorder.write(path)  # here, so that another Ctrl-C does not interrupt it
    except RecordingError as error:
        print_error(str(error))
        return 1
    print_error(written)
    if problem:
        print_error(f"the recording ends early: {problem}")
    return 1 if problem else 0


class Recorder:
    """What has been recorded so far, within the limits of a recording."""

    def __init__(self, explorer: Explorer, pod: str) -> None:
        self._explorer = explorer
        self._pod = pod
        self._began = time.time()
        self._clock = time.monotonic()
        self._requests: dict[int, dict[str, Any]] = {}
        self._sizes: dict[int, int] = {}
        self._size = 0
        self._events: deque[dict[str, Any]] = deque(maxlen=MOST_EVENTS)
        self._left_out = {"requests": 0, "running": 0, "events": 0}
        self._node: dict[str, Any] = {}
        self._calibration: dict[str, Any] | None = None
        self._pods: list[dict[str, Any]] = []
        self._complete = True

    def reach(self) -> None:
        """Ask the daemon once, before anything is recorded; raises UnreachableError."""
        self._node = self._explorer.get("/api/node")

    def follow(self, ended: threading.Event, seconds: float | None) -> str:
        """Record until ``ended`` is set or the time is over; return why the daemon went away, if it did."""
        # The events are followed first, so that no request falls between the list and them.
        arriving: queue.Queue[tuple[str, Any]] = queue.Queue()
        threading.Thread(target=self._listen, args=(arriving,), name="live-events", daemon=True).start()
        try:
            for number in self._ids():
                if ended.is_set():
                    self._left_out["requests"] += 1
                else:
                    self._fetch(number)
            problem = self._take(arriving, ended, None if seconds is None else self._clock + seconds)
            self._ask_once()
        except UnreachableError as error:
            problem = str(error)
        self._complete = not problem
        return problem

    def _listen(self, arriving: queue.Queue[tuple[str, Any]]) -> None:
        try:
            for event in self._explorer.live():
                arriving.put(event)
            arriving.put(("away", "the daemon has ended"))
        except UnreachableError as error:
            arriving.put(("away", str(error)))
        except OSError as error:
            arriving.put(("away", error.strerror or type(error).__name__))

    def _take(self, arriving: queue.Queue[tuple[str, Any]], ended: threading.Event, until: float | None) -> str:
        while not ended.is_set() and (until is None or time.monotonic() < until):
            try:
                name, data = arriving.get(timeout=_TICK)
            except queue.Empty:
                continue
            if name == "away":
                return str(data)
            self._note(name, data)
            if name in {"end", "settled"}:
                self._fetch(data["id"])
        return ""

    def _note(self, name: str, data: dict[str, Any]) -> None:
        if len(self._events) == MOST_EVENTS:
            self._left_out["events"] += 1
        if name == "lost":
            self._left_out["events"] += data["events"]
        kept = {key: value for key, value in data.items() if key in _KEPT}
        self._events.append({"at_ms": round((time.monotonic() - self._clock) * 1000, 3), "event": name, **kept})

    def _ids(self) -> list[int]:
        """Return the ids of the requests that the daemon remembers, newest first.

        So what is left out if the recording ends before all are fetched are older ones, as beyond its limit.
        """
        summaries = [
            one
            for query in ({"limit": _LIMIT}, {"limit": _LIMIT, "reads": "0"}, {"slowest": "1"})
            for one in self._explorer.get("/api/requests", **({"limit": _LIMIT} | query))["requests"]
        ]
        return sorted({one["id"] for one in summaries if not one["running"] and self._is_wanted(one)}, reverse=True)

    def _fetch(self, number: int) -> None:
        try:
            fetched = self._explorer.get(f"/api/requests/{number}", typical="0", neighbours="0")
        except KeyError:
            return  # it has been forgotten meanwhile
        if fetched["running"] or not self._is_wanted(fetched):
            return
        # Both follow from the other requests, and are computed when the recording is opened.
        kept = {name: value for name, value in fetched.items() if name not in {"typical", "neighbours"}}
        self._drop(number)
        self._requests[number], self._sizes[number] = kept, len(json.dumps(kept))
        self._size += self._sizes[number]
        while len(self._requests) > MOST_REQUESTS or self._size > _ROOM:
            self._drop(min(self._requests))
            self._left_out["requests"] += 1

    def _drop(self, number: int) -> None:
        if number in self._requests:
            del self._requests[number]
            self._size -= self._sizes.pop(number)

    def _is_wanted(self, request: dict[str, Any]) -> bool:
        pod = request.get("pod") or {}
        return not self._pod or f"{pod.get('namespace')}/{pod.get('name')}" == self._pod

    def _ask_once(self) -> None:
        """Ask for what is written once, when everything else has been recorded."""
        self._node = self._explorer.get("/api/node")
        self._calibration = self._explorer.get("/api/calibration")
        running = self._explorer.get("/api/requests", limit=_LIMIT)["requests"]
        self._left_out["running"] = sum(one["running"] and self._is_wanted(one) for one in running)
        try:
            pods = self._explorer.get("/api/pods", limit=_LIMIT)["pods"]
        except KeyError:
            return  # a daemon of an earlier release, which has no list of pods
        self._pods = [pod for pod in pods if self._is_wanted({"pod": pod})][:MOST_PODS]

    def write(self, path: Path) -> str:
        """Write the recording, and return what to say about it; raises RecordingError."""
        events = [event for event in self._events if not self._pod or event.get("id") in self._requests]
        head = {
            "began_at": round(self._began, 3),
            "ended_at": round(time.time(), 3),
            "written_by": cri_shim.__version__,
            "host": socket.gethostname(),
            "pod": self._pod,
            "complete": self._complete,
            "left_out": self._left_out,
            "node": self._node,
            "calibration": self._calibration,
        }
        requests = [self._requests[number] for number in sorted(self._requests)]
        written = write_recording(path, head, pods=self._pods, requests=requests, events=events)
        return (
            f"{path}: {len(requests)} requests, {len(self._pods)} pods, {len(events)} live events, {size(written)}; "
            f"`cri-shim hops open {path}` shows it"
        )


@contextmanager
def _ended_by_signals() -> Iterator[threading.Event]:
    """Set the event at a signal that ends the command, so that what was recorded is written."""
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    before = {number: signal.signal(number, end) for number in ending_signals()}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
