"""By which tests `make unit` measures coverage: only while one of them runs, because it makes code half as slow again.

pytest-cov measures from the beginning to the end of a session, and its own marker leaves out no more than the body of a
test: most of the measuring would be of tests that are collected, reported, and set up for other rooms.

The conftest.py of this folder imports these hooks.
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from unittest.mock import patch

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from concurrent.futures import Future

P = ParamSpec("P")
T = TypeVar("T")

ROOMS = {"rpc", "lifecycle", "sync"}
"""Folders of tests whose rooms `make unit` holds to a share of covered branches."""

CASES = 2
"""How many cases of a parametrised test count for that."""

_SUBMIT = ThreadPoolExecutor.submit
_IS_MEASURED = pytest.StashKey[bool]()


def _measuring(config: pytest.Config) -> Any:
    """Return what pytest-cov measures with, or None when coverage was not asked for."""
    return getattr(config.pluginmanager.get_plugin("_cov"), "cov_controller", None)


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Stop for now: the rooms have been imported with the conftest.py of this folder, and were measured then."""
    if measuring := _measuring(session.config):
        measuring.pause()


def choose_measured(items: list[pytest.Item]) -> None:
    """Choose the tests.

    Of a parametrised test those are its first cases: the others mostly run through the same branches, so the figure is
    a little too low.
    """
    cases: Counter[str] = Counter()
    for item in items:
        test = item.nodeid.partition("[")[0]
        cases[test] += 1
        item.stash[_IS_MEASURED] = bool(ROOMS & set(item.path.parts)) and cases[test] <= CASES


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure a chosen test, from the beginning of its set-up to the end of its teardown."""
    measuring = _measuring(item.config)
    if not measuring or not item.stash[_IS_MEASURED]:
        return (yield)
    measuring.resume()
    try:
        with patch.object(ThreadPoolExecutor, "submit", _submit):
            return (yield)
    finally:
        measuring.pause()


def _submit(pool: ThreadPoolExecutor, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Give a pool something to do that is measured."""
    return _SUBMIT(pool, _measured, fn, *args, **kwargs)


def _measured(fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call ``fn`` in a thread that may have begun before the measuring, and so would not be measured."""
    if sys.gettrace() is None:
        sys.settrace(threading.gettrace())
    return fn(*args, **kwargs)
