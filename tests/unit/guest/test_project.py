"""The disk with the project: which of those from before make room for a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.guest import project

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_new_disk_replaces_old_ones_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory of another build, running or interrupted, is not taken for an old disk and stays."""
    building = tmp_path / "project-building-abc"
    building.mkdir()
    (tmp_path / "project-old.img").touch()
    monkeypatch.setattr(project, "fingerprint", lambda _packages: "new")
    monkeypatch.setattr(project, "lay_out", lambda _tree, _scratch: None)
    monkeypatch.setattr(project, "make_disk", lambda image, _tree, **_: image.touch())
    assert project.project_disk(tmp_path) == tmp_path / "project-new.img"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["project-building-abc", "project-new.img"]
