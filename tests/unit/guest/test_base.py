"""The guest's Debian is made anew when something in it has changed, and only then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.guest import base

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_what_a_debian_is_made_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a file of the guest with SELinux changes, only that guest is built again; a build takes minutes."""
    monkeypatch.setattr(base, "SELINUX_ROOT", tmp_path)
    before = [base.recipe("deb", selinux=selinux) for selinux in (False, True)]
    (tmp_path / "policy").touch()
    after = [base.recipe("deb", selinux=selinux) for selinux in (False, True)]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False]
    assert base.recipe("deb http://elsewhere") != base.recipe("deb")
