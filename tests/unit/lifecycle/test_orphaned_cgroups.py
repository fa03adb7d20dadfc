"""Removing a cgroup from all hierarchies."""

from __future__ import annotations

import errno
import signal
import subprocess
import threading

import pytest

from cri_shim.kernel.mountinfo import parse_mountinfo
from cri_shim.lifecycle import orphaned_cgroups
from cri_shim.lifecycle.orphaned_cgroups import clear, clear_everywhere

PATH = "/kubepods/pod1/abc"


@pytest.fixture
def root(tmp_path):
    """Two hierarchies of cgroup v1 and a directory that is none; a container's place in each."""
    for name in ("memory", "devices", "elsewhere"):
        (tmp_path / name / PATH.lstrip("/")).mkdir(parents=True)
    return tmp_path


def mounts(root):
    lines = [f"{number} 1 0:{number} / {root}/{name} rw - cgroup cgroup rw" for number, name in kinds()]
    return parse_mountinfo("\n".join([*lines, f"9 1 0:9 / {root}/elsewhere rw - tmpfs tmpfs rw"]))


def kinds():
    return enumerate(("memory", "devices", "freezer"), start=2)


def left(root):
    return {name for name in ("memory", "devices", "elsewhere") if (root / name / PATH.lstrip("/")).exists()}


def test_from_every_hierarchy(root):
    """It goes wherever it is, and only there; a hierarchy without it is passed over. The pod's own stays."""
    clear([PATH], mounts(root))
    assert left(root) == {"elsewhere"}
    assert (root / "memory/kubepods/pod1").is_dir()


def test_processes_are_killed(root):
    """What is in it ends, and then it can go."""
    with subprocess.Popen(["sleep", "60"]) as process:
        (root / "memory" / PATH.lstrip("/") / "cgroup.procs").write_text(f"{process.pid}\n")
        threading.Timer(0.1, (root / "memory" / PATH.lstrip("/") / "cgroup.procs").unlink).start()
        clear([PATH], mounts(root))
        assert process.wait() == -signal.SIGKILL
    assert left(root) == {"elsewhere"}


def test_one_that_has_children(root):
    """What a container has made below its own cgroup goes with it, in every hierarchy."""
    (root / "memory" / PATH.lstrip("/") / "child" / "grandchild").mkdir(parents=True)
    clear([PATH], mounts(root))
    assert left(root) == {"elsewhere"}


@pytest.mark.usefixtures("emptied_by_rm")
def test_one_with_deep_children(root):
    """However deep they are."""
    deep = root / "memory" / PATH.lstrip("/")
    for _ in range(1100):
        deep /= "d"
        deep.mkdir()
    clear([PATH], mounts(root))
    assert left(root) == {"elsewhere"}


def test_by_their_names_alone(root):
    """For an id whose record is gone: wherever its cgroup is, under both names, and nothing else."""
    scope = root / "memory" / "kubepods.slice" / "pod2.slice" / "cri-containerd-abc.scope"
    scope.mkdir(parents=True)
    (root / "devices" / "abcd").mkdir()
    clear_everywhere({"abc"}, mounts(root))
    assert left(root) == {"elsewhere"}
    assert not scope.exists()
    assert scope.parent.is_dir()
    assert (root / "devices" / "abcd").is_dir()


def test_one_that_cannot_be_removed(root, monkeypatch):
    """A cgroup that stays is named, so that the record it belongs to stays as well; the others have gone."""
    monkeypatch.setattr(orphaned_cgroups, "PATIENCE_SECONDS", 0.05)
    busy = root / "memory" / PATH.lstrip("/")
    (busy / "something").touch()  # rmdir(2) refuses, as it does where a process does not end
    with pytest.raises(OSError, match="cannot be removed") as raised:
        clear([PATH], mounts(root))
    assert (raised.value.errno, raised.value.filename) == (errno.EBUSY, str(busy))
    assert left(root) == {"memory", "elsewhere"}


@pytest.mark.parametrize("path", ["pod1.slice/abc", "../kubepods/pod1/abc"])
def test_what_is_no_path(root, path):
    """A slice's name says nothing about directories."""
    clear([path], mounts(root))
    assert left(root) == {"memory", "devices", "elsewhere"}


def test_a_path_stays_below_the_hierarchy(root):
    """Steps upwards lead no further than to its root."""
    clear(["/../elsewhere" + PATH], mounts(root))
    assert left(root) == {"memory", "devices", "elsewhere"}
