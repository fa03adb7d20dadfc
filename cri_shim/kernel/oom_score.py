"""Change the OOM score of running processes: /proc/PID/oom_score_adj (proc(5))."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PROC = Path("/proc")


def move_oom_scores(pids: Iterable[int], old: int, new: int, proc: Path = PROC) -> None:
    """Set the score of the processes with score ``old`` to ``new``; processes that have ended are skipped.

    Raises PermissionError if the score may not be lowered. Blocks: call it in an executor.
    """
    for pid in pids:
        file = proc / str(pid) / "oom_score_adj"
        try:
            if int(file.read_text()) == old:
                file.write_text(str(new))
        except (FileNotFoundError, ProcessLookupError):
            continue
