"""A container's status on disk."""

from __future__ import annotations

import pytest

from cri_shim.disk.status_file import draft_status, keep_draft, read_status, write_status
from cri_shim.state.containers import Status


def test_a_draft_is_not_the_status(tmp_path):
    """Until it is kept, what was there before is read; a container that has only a draft has no status."""
    draft_status(tmp_path, Status(created_at=1))
    with pytest.raises(ValueError, match=f"container status {tmp_path}/status is not readable"):
        read_status(tmp_path)
    keep_draft(tmp_path)
    assert read_status(tmp_path).created_at == 1
    draft_status(tmp_path, Status(created_at=2))
    assert read_status(tmp_path).created_at == 1


def test_a_status_is_written_over_a_draft_that_was_left(tmp_path):
    """The draft of a daemon that died does not block the next one."""
    draft_status(tmp_path, Status(created_at=1, message="long " * 100))
    status = Status(pid=5, created_at=2, started_at=3)
    write_status(tmp_path, status)
    assert read_status(tmp_path) == status
    assert [path.name for path in tmp_path.iterdir()] == ["status"]
