"""The recording of a release is made in a checkout of that release, and the tests read that of the last one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.explorer.record_release import main, not_released
from tests.integration.explorer.test_release_before import newest

RELEASED = "# Changelog\n\n## [Unreleased]\n\n## [0.3.0] - 2027-01-01\n\n### Added\n\n- This.\n"


@pytest.mark.parametrize(
    ("changelog", "version", "reason"),
    [
        (RELEASED, "0.3.0", ""),
        (RELEASED, "0.2.0", "CHANGELOG.md does not begin with 0.2.0"),
        (RELEASED.replace("## [0.3.0]", "### Added\n\n- That.\n\n## [0.3.0]"), "0.3.0", "changes below [Unreleased]"),
        ("", "0.3.0", "does not begin"),
    ],
    ids=["the release", "before the version was set", "after the release", "no changelog"],
)
def test_which_checkout_is_the_release(changelog: str, version: str, reason: str) -> None:
    """Anything else would be recorded under the name of a release that answers otherwise."""
    assert reason in not_released(changelog, version)
    assert bool(reason) == bool(not_released(changelog, version))


def test_it_refuses_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The message says where to run it."""
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text(RELEASED, encoding="utf-8")
    monkeypatch.setattr("tests.integration.explorer.record_release.CHANGELOG", changelog)
    monkeypatch.setattr("cri_shim.__version__", "0.2.0")
    with pytest.raises(SystemExit, match=r"is not release 0\.2\.0: .*; check out the commit `release: 0\.2\.0`"):
        main([])


def test_the_newest_recording() -> None:
    """Versions are numbers, not words."""
    names = ["release_0_9_0.json", "release_0_10_0.json", "release_0_2_1.json"]
    assert newest(map(Path, names)).name == "release_0_10_0.json"
