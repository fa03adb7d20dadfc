"""Waiting for something on the installed node."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tests.guest import installed


def test_the_error_says_how_long_was_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a slow machine that is far longer than what a test asked for."""
    monkeypatch.setattr(installed, "patient", lambda seconds: seconds / 100)
    monkeypatch.setattr(installed, "journal", lambda: "the end of the journal")
    node = installed.Installed(cast("Any", None))
    with pytest.raises(AssertionError, match=r"not within 0\.05 s\nthe end of the journal"):
        node.until(lambda: False, 5)
