"""The result of the matrix goes into pytest's summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

SUMMARY = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def matrix_summary(request: pytest.FixtureRequest) -> list[str]:
    """Lines for the end of pytest's output."""
    return request.config.stash.setdefault(SUMMARY, [])


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash.get(SUMMARY, []):
        terminalreporter.write_line(line)
