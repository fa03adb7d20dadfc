"""The commands about a recording: ``cri-shim hops open``, and every other one with ``--recording FILE``."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from cri_shim.recording.file import RecordingError, read_recording
from cri_shim.recording.site import serving
from cri_shim.terminal.fetch import Explorer
from cri_shim.terminal.screen import print_error, print_text
from cri_shim.terminal.signals import ending_signals

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cri_shim.recording.file import Recording


def open_recording(path: Path, address: str, *, replays: bool) -> int:
    """Serve the page of a recording at ``address`` until a signal comes, and return the exit code.

    With ``replays`` its live events are played again.
    """
    try:
        recording = read_recording(path)
        asyncio.run(_serve(recording, path, address, replays=replays))
    except RecordingError as error:
        print_error(str(error))
        return 1
    return 0


async def _serve(recording: Recording, path: Path, address: str, *, replays: bool) -> None:
    ended = asyncio.Event()
    for number in ending_signals():
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with serving(recording, address, replays=replays) as where:
        shown = where if where.startswith("unix://") else f"http://{where}"
        print_text(f"{path} is at {shown} until Ctrl-C")
        await ended.wait()


def with_recording(path: Path, command: Callable[[Explorer], int]) -> int:
    """Run a command that asks the daemon with the recording in the daemon's place, and return its exit code."""
    try:
        recording = read_recording(path)
        with suppress(asyncio.CancelledError):
            return asyncio.run(_answered(recording, command))
    except RecordingError as error:
        print_error(str(error))
        return 1
    return 0


async def _answered(recording: Recording, command: Callable[[Explorer], int]) -> int:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - this is a coroutine
    for number in ending_signals():
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)  # the directory of the socket is removed
    async with serving(recording) as address:
        return await asyncio.to_thread(command, Explorer(address))
