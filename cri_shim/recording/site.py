"""Serve a recording as the daemon serves its ledger: the same page and the same answers, on loopback."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from cri_shim.explorer.http_server import HttpListener
from cri_shim.explorer.web_sources import WebSources
from cri_shim.recording.file import RecordingError
from cri_shim.recording.replay import replay
from cri_shim.rpc import RPCS, Kind
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from cri_shim.recording.file import Recording


@asynccontextmanager
async def serving(recording: Recording, address: str = "", *, replays: bool = False) -> AsyncIterator[str]:
    """Serve within the block, at ``address`` or on a socket that only this user reaches; yield where.

    With ``replays`` the recorded live events are played again. Raises RecordingError if it cannot listen there.
    """
    reasons: list[str] = []
    with _without_log(), tempfile.TemporaryDirectory(prefix="cri-shim-recording-") as directory:
        wanted = address or f"unix://{directory}/socket"
        listener = HttpListener(
            wanted, Path(directory), sources(recording, replays=replays), lambda _, reason: reasons.append(reason)
        )
        try:
            listener.bind()
        except ValueError:
            raise RecordingError(f"{escaped(wanted)} is not an address: name IP:PORT or unix:///PATH") from None
        if not listener.address:
            raise RecordingError("; ".join(filter(None, reasons)) or f"it cannot listen at {wanted}")
        tasks = [asyncio.create_task(listener.watch(), name="recording-socket")]
        if replays:
            tasks.append(asyncio.create_task(replay(recording), name="recording-replay"))
        try:
            yield listener.address
        finally:
            for task in tasks:
                task.cancel()
            await listener.stop()


@contextmanager
def _without_log() -> Iterator[None]:
    """Keep the log quiet: it is the daemon's, and a command says itself what happens."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


def sources(recording: Recording, *, replays: bool) -> WebSources:
    """Return where the answers come from."""
    about = recording.about
    node: dict[str, Any] = msgspec.to_builtins(about.node)
    banner = {
        "host": about.host,
        "pod": about.pod,
        "began_at": about.began_at,
        "ended_at": about.ended_at,
        "written_by": about.written_by,
        "complete": about.complete,
        "requests": len(recording.ledger.newest()),
        "replays": replays,
        "left_out": msgspec.to_builtins(about.left_out),
    }
    return WebSources(
        recording.ledger,
        metrics=lambda _accept: (b"# a recording has no metrics\n", "text/plain; charset=utf-8"),
        node=lambda: node | {"ready": True, "recording": banner},  # the page can ask, whatever the daemon could
        reads=frozenset(name for name, rpc in RPCS.items() if rpc.kind is Kind.READ),
        pods=lambda: [pod for pod in recording.pods if pod["id"]],
        calibration=(lambda: recording.calibration) if recording.calibration is not None else None,
    )
