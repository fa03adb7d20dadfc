"""Kills for want of memory below a cgroup, as the kernel counts them: a sum above, and in each child its own."""

from __future__ import annotations

import shutil

import pytest

from cri_shim.stats.oom_kills import Kills, kills_below, kills_in_all


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


def counts(directory, id_=""):
    """The two counts: own, and of children that are gone."""
    kills = kills_below(f"{directory}", id_)
    return kills.own, kills.vanished


def test_of_a_container_that_is_there(pod):
    """Its own count, whatever the others have; nothing has vanished."""
    assert counts(pod, "aaa") == (1, 0)
    assert counts(pod, "bbb") == (0, 0)


def test_of_a_container_that_has_gone(pod):
    """The sum keeps what its file said."""
    shutil.rmtree(pod / "scope-aaa.scope")
    assert counts(pod, "aaa") == (None, 1)
    assert counts(pod, "bbb") == (0, 1)
    assert kills_in_all(f"{pod}") == 1


def test_a_kill_that_comes_between_two_files(pod):
    """More in the children than in the sum that was read before them is not a negative number."""
    counted(pod / "scope-bbb.scope", 5)
    assert counts(pod) == (None, 0)


@pytest.mark.parametrize("directory", ["", "/no/such/directory"])
def test_no_cgroup(directory):
    """What is not there has counted nothing."""
    assert kills_below(directory, "aaa") == Kills(own=None, vanished=0)
    assert kills_in_all(directory) == 0


def test_no_memory_controller(tmp_path):
    """Where memory is not counted nothing is known, which is no error."""
    (tmp_path / "scope-aaa.scope").mkdir()
    assert counts(tmp_path, "aaa") == (None, 0)


def test_what_is_said_of_the_cgroup(pod):
    """Its inode and the names of its children, of which one that was made later under its name has others."""
    kills = kills_below(f"{pod}")
    assert kills.cgroup == pod.stat().st_ino
    assert sorted(kills.children) == ["scope-aaa.scope", "scope-bbb.scope"]
