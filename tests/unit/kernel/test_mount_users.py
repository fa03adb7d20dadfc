"""Who keeps a mount busy."""

from __future__ import annotations

import pytest

from cri_shim.kernel.mount_users import users_of
from cri_shim.kernel.mountinfo import parse_mountinfo

END = "/abc/rootfs"
PLACE = f"/run/containerd/k8s.io{END}"


@pytest.fixture
def proc(tmp_path):
    """A /proc with one process that has nothing to do with it."""
    return process(tmp_path, 1, cwd="/")


def process(proc, pid, *, name="sleep", opened=(), **links):
    directory = proc / str(pid)
    (directory / "fd").mkdir(parents=True)
    (directory / "comm").write_text(f"{name}\n")
    for number, place in enumerate(opened):
        (directory / "fd" / str(number)).symlink_to(place)
    for link, place in links.items():
        (directory / link).symlink_to(place)
    return proc


@pytest.mark.parametrize(
    ("link", "words"), [("cwd", "working directory"), ("root", "root directory"), ("exe", "program")]
)
def test_a_process(proc, link, words):
    """It is named with what it does there; a path that only looks alike is not meant."""
    process(proc, 2, **{link: f"{PLACE}/srv"})
    process(proc, 3, cwd=f"{PLACE}-of-another")
    assert users_of(END, proc, []) == [f"process 2 (sleep), whose {words} is {PLACE}/srv"]


def test_an_open_file(proc):
    """Looked for when there is nothing else."""
    process(proc, 2, opened=["/dev/null", f"{PLACE}/data"])
    assert users_of(END, proc, []) == [f"process 2 (sleep), whose open file is {PLACE}/data"]


def test_a_mount(proc):
    """A mount below is in the way, too."""
    mounts = parse_mountinfo(f"9 1 0:9 / {PLACE}/tmp rw - tmpfs tmpfs rw\n8 1 0:9 / {PLACE} rw - overlay overlay rw")
    assert users_of(END, proc, mounts) == [f"mount {PLACE}/tmp is below it"]


def test_not_all_of_a_crowd(proc):
    """Three are enough for an error text, and names of processes cannot forge a line."""
    for pid in range(2, 9):
        process(proc, pid, name="a\nb", cwd=PLACE)
    users = users_of(END, proc, [])
    assert len(users) == 3
    assert "\n" not in "".join(users)


def test_no_users(proc):
    """Nothing is claimed where nothing is seen."""
    assert users_of(END, proc, []) == []
