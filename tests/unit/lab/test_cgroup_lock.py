"""The measurement of the cgroup lock, on cgroups that are files."""

from __future__ import annotations

import json
import sys

import pytest

from cri_shim.kernel.cgroups import UNIFIED, Hierarchies
from lab.measuring import cgroup_lock


@pytest.fixture
def hierarchies(tmp_path, monkeypatch):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/one\n")
    (tmp_path / "cgroups/one").mkdir(parents=True)
    (tmp_path / "cgroups/one/cgroup.procs").touch()
    read = Hierarchies({UNIFIED: (str(tmp_path / "cgroups"), "/")}, str(tmp_path / "proc"))
    monkeypatch.setattr(Hierarchies, "read", lambda **_: read)
    return read


def test_each_pause_is_measured(tmp_path, hierarchies, monkeypatch, capsys):
    """As often as asked for, and the result is a file."""
    result = tmp_path / "result.json"
    monkeypatch.setattr(sys, "argv", ["cgroup_lock", "--rounds", "3", "--output", str(result)])
    assert cgroup_lock.main() == 0
    taken = json.loads(result.read_text())["milliseconds"]
    assert list(taken) == list(cgroup_lock.PAUSES)
    assert all(len(times) == 3 for times in taken.values())
    assert capsys.readouterr().out.count("median") == len(taken)


def test_a_cgroup_that_may_not_be_joined(tmp_path, hierarchies):
    """The refusal is the result."""
    (tmp_path / "cgroups/one/cgroup.procs").unlink()
    with pytest.raises(FileNotFoundError):
        cgroup_lock.measured(hierarchies, 1)
