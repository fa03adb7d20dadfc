"""How long tests may take in the guest."""

from __future__ import annotations

import sys
from types import SimpleNamespace

from tests.guest.inside import LEAST_PATIENCE, measured_patience, run
from tests.guest.inside import test_run as arguments_of
from tests.guest.suites import SUITES


def test_patience_has_a_lower_bound():
    """A machine that is fast at this moment may be slow in the next one."""
    assert measured_patience((sys.executable, "-c", "")) == LEAST_PATIENCE


def test_patience_grows_with_the_time_that_work_takes(monkeypatch):
    """What takes a second elsewhere has taken thirty here: time limits are thirty times as long."""
    clock = iter((100.0, 130.0))
    monkeypatch.setattr("tests.guest.inside.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("tests.guest.inside.subprocess.run", lambda *_, **__: None)
    assert measured_patience() == 30


def test_the_limit_of_a_test_grows_with_it():
    """pytest ends a test that takes longer."""
    assert "--timeout=600" in arguments_of(SUITES[0], 5)
    assert "--timeout=3600" in arguments_of(SUITES[0], 30)


def test_what_tests_write_is_on_the_disk(monkeypatch):
    """And not in memory, where Debian 13 has its /tmp."""
    given = {}
    monkeypatch.setattr(
        "tests.guest.inside.subprocess.run", lambda *_, env, **__: given.update(env) or SimpleNamespace(returncode=0)
    )
    run(SUITES[0], [], 5)
    assert given["TMPDIR"] == "/var/tmp"
    assert given["LAB_PATIENCE"] == "5"
