"""Make the work directory of a checkpoint, and clean up after a checkpoint that was interrupted.

A container is paused while its memory and files are written. If this daemon were killed meanwhile, nothing would
resume the container; so the directory is the mark of a checkpoint in progress. A daemon that finds the mark of another
process resumes the container and removes what was written. Where containerd did not resume a container at the end of
its checkpoint, the mark stays, and this process asks again until containerd does.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from containerd_client import ContainerdError, NotFound, call_options, detached_options
from containerd_client.api.containerd.v1.types import types_pb2 as task_types
from cri_shim.concurrency.pauses import ending_with_last
from cri_shim.kernel.executors import FS, run
from cri_shim.kernel.presence import entries_of, mode_of
from cri_shim.kernel.remove_tree import remove_tree
from cri_shim.kernel.small_file import read_small_file
from cri_shim.kernel.write_file import write_file
from cri_shim.os_errors import cri_error_of

if TYPE_CHECKING:
    from containerd_client import Containerd
    from cri_shim.concurrency.keyed_locks import KeyedLocks
    from cri_shim.paths import Paths

_PREFIX: Final = "checkpoint-"
_OURS: Final = f"{_PREFIX}{secrets.token_hex(6)}-"
"""The prefix of this process's work directories, which tells them from those of a process that was killed."""
_UNFINISHED: Final = "unfinished"
_LONGEST_PATH: Final = 4096

RESUME_SECONDS: Final = 30.0
"""How long containerd may take to resume a container."""
RESUMED_AGAIN = (1.0, 5.0, 15.0, 60.0)
"""Seconds before each further attempt to resume a container, the last of them for as long as it takes."""

log = structlog.get_logger(__name__)


def make_work(paths: Paths, container_id: str) -> Path:
    """Make the work directory of a checkpoint, with an empty ``archive`` in it; raises OSError.

    Each has a name of its own, since the one of an attempt before may stay until the container is resumed.
    """
    work = paths.container_root(container_id) / f"{_OURS}{secrets.token_hex(4)}"
    (work / "archive" / "checkpoint").mkdir(parents=True, mode=0o700)
    work.chmod(0o700)
    return work


def remove_work(work: Path) -> None:
    """Remove ``work`` with its content and the unfinished file it names; raises OSError for what cannot be removed."""
    note = work / _UNFINISHED
    if mode_of(note) is not None:
        named = os.fsdecode(read_small_file(note, _LONGEST_PATH))
        # It is empty if the disk was too full for it, and then the file was not made; a power failure leaves zeros.
        if named.startswith("/") and "\0" not in named:
            Path(named).unlink(missing_ok=True)
    remove_tree(work)


def note_unfinished(work: Path, file: Path) -> None:
    """Note that ``file`` has to be removed if this checkpoint is interrupted; call it before making the file.

    The note is there completely or not at all, because half of a path may be the path of another file.
    """
    draft = work / f".{_UNFINISHED}"
    write_file(draft, os.fsencode(file))
    draft.replace(work / _UNFINISHED)


async def end_cut_off(containerd: Containerd, paths: Paths, container_id: str, *, paused: bool) -> None:
    """Undo what checkpoints of another process have left of a container; where that fails, their marks stay."""
    try:
        marks = await run(FS, _cut_off, paths.container_root(container_id))
    except OSError as error:
        log.error("checkpoint.cut_off_stays", container_id=container_id, error=str(cri_error_of(error)))
        return
    for work in marks:
        await _end(containerd, container_id, work, paused=paused)


async def resume_again(containerd: Containerd, locks: KeyedLocks, container_id: str, work: Path) -> None:
    """Ask containerd to resume the container until it does, then remove the mark.

    Each attempt has the container's lock, so that no attempt resumes a container in the middle of its next checkpoint.
    """
    for pause in ending_with_last(RESUMED_AGAIN):
        await asyncio.sleep(pause)
        async with locks.of(container_id):
            with detached_options(), call_options(timeout=RESUME_SECONDS):
                if await _end(containerd, container_id, work, paused=True):
                    return


async def _end(containerd: Containerd, container_id: str, work: Path, *, paused: bool) -> bool:
    """Resume the container and remove the mark; log a failure and return False where that cannot be done."""
    try:
        if paused:
            await resume(containerd, container_id)
        await run(FS, remove_work, work)
    except (ContainerdError, OSError) as error:
        log.error("checkpoint.cut_off_stays", container_id=container_id, error=str(error))
        return False
    log.warning("checkpoint.cut_off_undone", container_id=container_id, resumed=paused)
    return True


async def resume(containerd: Containerd, container_id: str) -> None:
    """Resume a container; one that has ended or was never paused is fine."""
    try:
        if (await containerd.tasks.get(container_id)).status in (task_types.PAUSED, task_types.PAUSING):
            await containerd.tasks.resume(container_id)
    except NotFound:
        return


def _cut_off(root: Path) -> list[Path]:
    return [entry for entry in entries_of(root) if entry.name.startswith(_PREFIX) and not entry.name.startswith(_OURS)]
