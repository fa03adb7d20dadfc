"""Which program is taken for another Python."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lab.debian import pythons
from lab.debian.packages import NotAvailableError
from tests.unit.lab.made_up_programs import program

RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(autouse=True)
def nothing_there(tmp_path, monkeypatch):
    """Neither PATH, nor pyenv, nor an earlier download has a Python."""
    monkeypatch.setattr(pythons, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(pythons, "PYENV", tmp_path / "pyenv")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()


def test_what_was_unpacked_before_comes_first(tmp_path):
    """Debian is not asked again, and PATH and pyenv do not change what was tested."""
    unpacked = program(tmp_path / "cache/3.13/usr/bin/python3.13", "3.13")
    program(tmp_path / "bin/python3.13", "3.13")
    assert pythons.program("3.13") == unpacked


def test_then_path_then_the_newest_of_pyenv(tmp_path):
    """pyenv's stand-in on PATH, which ends with an error where no version is chosen, is passed over."""
    newest = program(tmp_path / "pyenv/3.13.4/bin/python3.13", "3.13")
    program(tmp_path / "pyenv/3.13.0/bin/python3.13", "3.13")
    stand_in = program(tmp_path / "bin/python3.13", "3.13")
    assert pythons.program("3.13") == stand_in
    stand_in.write_text("#!/bin/sh\nexit 127\n")
    assert pythons.program("3.13") == newest


def test_a_program_of_another_version_is_not_taken(tmp_path):
    """Its name says nothing; the error names where was looked."""
    program(tmp_path / "bin/python3.12", "3.11")
    with pytest.raises(NotAvailableError, match=r"no Python 3\.12: not on PATH, not in .*pyenv"):
        pythons.program("3.12")


def test_the_running_python_answers():
    """The question that is put to a candidate is one that a real Python can answer."""
    assert pythons.answers(Path(sys.executable), RUNNING)
    assert not pythons.answers(Path(sys.executable), "2.7")
