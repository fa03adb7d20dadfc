"""A directory of the daemon that cannot be read when it starts."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from cri_shim.kernel.presence import entries_of
from cri_shim.sync import orphans, recovery
from tests.fakes.service import make_service
from tests.unit.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    import pytest

    from tests.fakes.containerd import FakeContainerd
    from tests.fakes.kernel import RecordingKernel


async def test_the_rest_without_a_record_is_cleared(
    fake: FakeContainerd, kernel: RecordingKernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the directory holds is not known, and the log says so in a sentence."""
    cleared: list[Collection[str]] = []

    def refuse_one(path: Path) -> list[Path]:
        if path.name == "sandboxes":
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))
        return entries_of(path)

    async def clear_snapshots(_containerd: object, _snapshotters: object, living: Callable[[], Collection[str]]) -> int:
        cleared.append(living())
        return 0

    monkeypatch.setattr(orphans, "entries_of", refuse_one)
    monkeypatch.setattr(recovery, "remove_orphaned_snapshots", clear_snapshots)
    gone = tmp_path / "daemon/root/containers/gone"
    gone.mkdir(parents=True)
    with capture_logs() as logs:
        async with make_service(fake, kernel, tmp_path):
            await until(lambda: bool(cleared))
    assert not gone.exists()
    (line,) = (line for line in logs if line["event"] == "recovery.orphaned_files_unknown")
    assert "/sandboxes: too many open files; " in line["error"]
