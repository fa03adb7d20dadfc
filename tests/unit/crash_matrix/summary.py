"""The result of the matrix in pytest's summary, also when a worker of pytest-xdist ran it.

These hooks are imported by the conftest.py of the folder above: the process that prints the summary of several workers
loads no conftest.py but those of the folders that it is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

SUMMARY = pytest.StashKey[list[str]]()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker: pass the lines on to the process that prints the summary."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["crash_matrix"] = session.config.stash.get(SUMMARY, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """In the process that prints the summary: take over a worker's lines."""
    del error
    node.config.stash.setdefault(SUMMARY, []).extend(getattr(node, "workeroutput", {}).get("crash_matrix", []))


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash.get(SUMMARY, []):
        terminalreporter.write_line(line)
