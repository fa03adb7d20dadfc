"""A log file on a real file system: whole entries only, whatever happens to the disk or the writer."""

from __future__ import annotations

import os
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from cri_shim.logs.log_file import LogFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINE = b"2024-05-06T07:08:09Z stdout F %05d " + b"x" * 60 + b"\n"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 64 KiB."""
    if os.geteuid() != 0:
        pytest.skip("needs root for a mount")
    path = tmp_path / "small"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def test_file_and_directory_are_made_with_the_modes_of_the_plugin(tmp_path: Path) -> None:
    """Directory 0755, file 0640, and an existing file is appended to."""
    old = os.umask(0o022)
    try:
        path = tmp_path / "pod" / "container" / "0.log"
        file = LogFile(str(path), "c")
        file.open()
        assert file.write(b"one\n")
        file.close()
        again = LogFile(str(path), "c")
        again.open()
        assert again.write(b"two\n")
        again.close()
    finally:
        os.umask(old)
    assert path.read_bytes() == b"one\ntwo\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755


def test_the_beginning_of_an_entry_left_by_a_killed_writer_is_removed(tmp_path: Path) -> None:
    """After a kill within write(2) the next entry starts on a line of its own and the fragment is gone."""
    path = tmp_path / "0.log"
    path.write_bytes(b"whole entry\n2024-05-06T07:08")
    file = LogFile(str(path), "c")
    file.open()
    assert file.write(b"next entry\n")
    assert path.read_bytes() == b"whole entry\nnext entry\n"


def test_a_file_without_any_newline_near_its_end_is_closed_with_one(tmp_path: Path) -> None:
    """Something that is no log of ours is not cut away."""
    path = tmp_path / "0.log"
    path.write_bytes(b"x" * 100_000)
    file = LogFile(str(path), "c")
    file.open()
    assert file.write(b"entry\n")
    assert path.read_bytes() == b"x" * 100_000 + b"\nentry\n"


def test_opening_again_after_a_rename_goes_on_in_the_new_file(tmp_path: Path) -> None:
    """Rotation: what was written stays in the renamed file, what comes goes to the new one, no descriptor is lost."""
    path = tmp_path / "0.log"
    file = LogFile(str(path), "c")
    file.open()
    file.write(b"before\n")
    before = len(os.listdir("/proc/self/fd"))
    path.rename(tmp_path / "0.log.1")
    file.open()
    file.write(b"after\n")
    assert len(os.listdir("/proc/self/fd")) == before
    assert (tmp_path / "0.log.1").read_bytes() == b"before\n"
    assert path.read_bytes() == b"after\n"


def test_when_the_new_file_cannot_be_made_the_old_one_stays(tmp_path: Path) -> None:
    """A failed rotation raises and loses nothing."""
    path = tmp_path / "dir" / "0.log"
    file = LogFile(str(path), "c")
    file.open()
    path.parent.rename(tmp_path / "moved")
    (tmp_path / "dir").write_bytes(b"in the way")
    with pytest.raises(OSError, match="dir"):
        file.open()
    assert file.write(b"still here\n")
    assert (tmp_path / "moved" / "0.log").read_bytes() == b"still here\n"


@pytest.mark.root
def test_a_full_disk_keeps_whole_entries_and_takes_new_ones_when_there_is_room(small_disk: Path) -> None:
    """ENOSPC within a write: the file ends with a whole entry; after room was made the next entry follows it."""
    filler = small_disk / "filler"
    filler.write_bytes(b"f" * 20_000)
    path = small_disk / "0.log"
    file = LogFile(str(path), "c")
    file.open()
    assert not file.write(b"".join(LINE % number for number in range(1000)))
    assert not file.write(LINE % 1000)
    held = path.read_bytes()
    entries = held.count(b"\n")
    assert 100 < entries < 1000
    assert held == b"".join(LINE % number for number in range(entries))
    filler.unlink()
    assert file.write(LINE % 1001)
    assert path.read_bytes() == held + LINE % 1001
    assert file.errors == 2


@pytest.mark.root
def test_a_full_disk_is_reported_once_a_minute(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that fills the disk does not fill the daemon's own log as well."""
    file = LogFile(str(small_disk / "0.log"), "container-1")
    file.open()
    with capture_logs() as logs:
        for _ in range(20):
            assert not file.write(b"x" * 100_000 + b"\n")
    assert [entry["event"] for entry in logs] == ["log.write_failed"]
    assert logs[0]["container"] == "container-1"
    assert "No space left" in logs[0]["error"]
    monkeypatch.setattr("cri_shim.logs.log_file.QUIET", 0.0)
    file._quiet_until = 0.0
    with capture_logs() as logs:
        assert not file.write(b"x" * 100_000 + b"\n")
    assert logs[0]["failures"] == 21


def test_a_file_that_cannot_be_opened_is_tried_again_later(tmp_path: Path) -> None:
    """Writes fail without raising until the directory can be made, then they arrive."""
    (tmp_path / "dir").write_bytes(b"in the way")
    path = tmp_path / "dir" / "0.log"
    file = LogFile(str(path), "c")
    with pytest.raises(OSError, match="dir"):
        file.open()
    assert not file.write(b"lost\n")
    (tmp_path / "dir").unlink()
    file._open_again = 0.0
    assert file.write(b"kept\n")
    assert path.read_bytes() == b"kept\n"
