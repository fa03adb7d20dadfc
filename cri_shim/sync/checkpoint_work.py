"""The directory in which a checkpoint is put together, and the end of one that was cut off.

A container stands still while its memory and files are written. Should this daemon be killed meanwhile, nobody would
let it go on; so the directory is the mark of a checkpoint in hand. One that is found and is not of this process (or
that this process had to give up on, because containerd was away) says: resume the container, remove what was written.
"""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from containerd_client import ContainerdError, NotFound
from containerd_client.api.containerd.v1.types import types_pb2 as task_types
from cri_shim.kernel.executors import FS, run

if TYPE_CHECKING:
    from containerd_client import Containerd
    from cri_shim.paths import Paths

_PREFIX: Final = "checkpoint-"
_OURS: Final = f"{_PREFIX}{secrets.token_hex(6)}"
"""This process's own: the name tells its checkpoints in hand from those of a process that was killed."""
_GIVEN_UP: Final = f"{_PREFIX}given-up"
_UNFINISHED: Final = "unfinished"

log = structlog.get_logger(__name__)


def make_work(paths: Paths, container_id: str) -> Path:
    """Make the work directory of a checkpoint, with an empty ``archive`` in it; raises OSError."""
    work = paths.container_root(container_id) / _OURS
    (work / "archive" / "checkpoint").mkdir(parents=True, mode=0o700)
    work.chmod(0o700)
    return work


def remove_work(work: Path) -> None:
    """Remove it with all that is in it, the unfinished file it names included; raises OSError for what stays."""
    note = work / _UNFINISHED
    if note.is_file():
        Path(note.read_text()).unlink(missing_ok=True)
    if work.exists():
        shutil.rmtree(work)


def note_unfinished(work: Path, file: Path) -> None:
    """Write down which file elsewhere goes when this checkpoint is cut off; call it before the file is made."""
    (work / _UNFINISHED).write_text(str(file))


def give_up(work: Path) -> None:
    """Leave the container for :func:`end_cut_off` to resume, at the next recovery."""
    work.rename(work.with_name(_GIVEN_UP))


async def end_cut_off(containerd: Containerd, paths: Paths, container_id: str, *, paused: bool) -> None:
    """Undo what a checkpoint that was cut off has left of a container; failures are logged, the mark stays then."""
    for work in await run(FS, _cut_off, paths.container_root(container_id)):
        try:
            if paused:
                await resume(containerd, container_id)
            await run(FS, remove_work, work)
        except (ContainerdError, OSError) as error:
            log.error("checkpoint.cut_off_stays", container_id=container_id, error=str(error))
        else:
            log.warning("checkpoint.cut_off_undone", container_id=container_id, resumed=paused)


async def resume(containerd: Containerd, container_id: str) -> None:
    """Let a container go on; one that has ended or was never paused is fine."""
    try:
        if (await containerd.tasks.get(container_id)).status in (task_types.PAUSED, task_types.PAUSING):
            await containerd.tasks.resume(container_id)
    except NotFound:
        return


def _cut_off(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return [entry for entry in root.iterdir() if entry.name.startswith(_PREFIX) and entry.name != _OURS]
