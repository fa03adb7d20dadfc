"""Kills for want of memory below a cgroup, as the kernel counts them: a sum above, and in each child its own."""

from __future__ import annotations

import shutil

import pytest

from cri_shim.stats.oom_kills import Kills, has_child, kills_below


@pytest.fixture
def pod(tmp_path):
    """A pod's cgroup with two containers, in one of which one process was killed."""
    counted(tmp_path, 1)
    counted(tmp_path / "scope-aaa.scope", 1)
    counted(tmp_path / "scope-bbb.scope", 0)
    return tmp_path


def counted(directory, kills):
    directory.mkdir(exist_ok=True)
    (directory / "memory.events").write_text(f"low 0\nhigh 3\nmax 9\noom 2\noom_kill {kills}\noom_group_kill 0\n")


def test_of_a_container_that_is_there(pod):
    """Its own count, whatever the others have; nothing has vanished."""
    assert kills_below(f"{pod}", "aaa") == Kills(own=1, vanished=0)
    assert kills_below(f"{pod}", "bbb") == Kills(own=0, vanished=0)


def test_of_a_container_that_has_gone(pod):
    """The sum keeps what its file said."""
    shutil.rmtree(pod / "scope-aaa.scope")
    assert kills_below(f"{pod}", "aaa") == Kills(own=None, vanished=1)
    assert kills_below(f"{pod}", "bbb") == Kills(own=0, vanished=1)


def test_a_kill_that_comes_between_two_files(pod):
    """More in the children than in the sum that was read before them is not a negative number."""
    counted(pod / "scope-bbb.scope", 5)
    assert kills_below(f"{pod}").vanished == 0


@pytest.mark.parametrize("directory", ["", "/no/such/directory"])
def test_no_cgroup(directory):
    """What is not there has counted nothing."""
    assert kills_below(directory, "aaa") == Kills(own=None, vanished=0)
    assert not has_child(directory, "aaa")


def test_no_memory_controller(tmp_path):
    """Where memory is not counted nothing is known, which is no error."""
    (tmp_path / "scope-aaa.scope").mkdir()
    assert kills_below(f"{tmp_path}", "aaa") == Kills(own=None, vanished=0)


def test_children_by_id(pod):
    """A child is found by the id in its name."""
    assert has_child(f"{pod}", "bbb")
    assert not has_child(f"{pod}", "ccc")
