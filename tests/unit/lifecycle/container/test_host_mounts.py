"""The node's side of mounts: sources that are there, that are made, and that cannot be."""

from __future__ import annotations

import errno
import os

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError
from cri_shim.lifecycle.container.host_mounts import resolve_mounts


def resolve(path):
    """The source of a private mount of ``path``."""
    return resolve_mounts([cri.Mount(host_path=str(path), container_path="/data")], {})[0].source


def test_links_are_followed_and_directories_made(tmp_path):
    """The runtime gets the real path."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert resolve(tmp_path / "link" / "new" / "deep") == str(tmp_path / "real" / "new" / "deep")
    assert (tmp_path / "real" / "new" / "deep").is_dir()


@pytest.mark.usefixtures("emptied_by_rm")
def test_a_thousand_levels_are_made(tmp_path):
    """More levels than the interpreter has frames; PATH_MAX allows them."""
    deep = str(tmp_path) + "/a" * 1500
    assert resolve(deep) == os.path.realpath(deep)


def test_where_nothing_can_be_made():
    """/proc answers mkdir(2) as if the directory above were missing; that must not be asked for ever."""
    with pytest.raises(InvalidArgumentError, match="No such file or directory"):
        resolve("/proc/no/such")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("loop", "[Ss]ymbolic links"),
        ("dangling", "a symbolic link to something that does not exist"),
        ("file/below", "Not a directory"),
        ("x" * 256, "File name too long"),
        ("latin", "not UTF-8"),
    ],
)
def test_what_cannot_be_a_source(tmp_path, name, words):
    """The sentence names both paths and says why."""
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere/at/all")
    (tmp_path / "file").write_text("")
    os.mkdir(os.fsencode(tmp_path) + b"/f\xfcr")
    os.symlink(b"f\xfcr", os.fsencode(tmp_path / "latin"))
    with pytest.raises(InvalidArgumentError, match=words) as refused:
        resolve(tmp_path / name)
    assert "'/data'" in str(refused.value)
    str(refused.value).encode()


@pytest.mark.parametrize(
    ("mount", "words"),
    [
        (cri.Mount(host_path="/tmp"), "mount of '/tmp' has no container_path"),
        (cri.Mount(container_path="/data"), "mount at '/data' has no host_path"),
    ],
)
def test_half_a_mount(mount, words):
    """The sentence names the half that is there."""
    with pytest.raises(InvalidArgumentError, match=words):
        resolve_mounts([mount], {})


def test_mounts_of_images():
    """Where an image is mounted is known already."""
    mounts = [cri.Mount(container_path="/a", host_path="/"), cri.Mount(container_path="/b")]
    assert [one.source for one in resolve_mounts(mounts, {1: "/image"})] == ["/", "/image"]


def test_the_mount_below(tmp_path):
    """It is looked up only for a mount that propagates."""
    private, slave = (
        cri.Mount(host_path=str(tmp_path), container_path="/data", propagation=propagation)
        for propagation in (cri.PROPAGATION_PRIVATE, cri.PROPAGATION_HOST_TO_CONTAINER)
    )
    first, second = resolve_mounts([private, slave], {})
    assert first.source_mount is None
    assert second.source_mount is not None
    assert str(tmp_path).startswith(second.source_mount.mount_point)


def test_a_node_that_has_run_out_of_something(monkeypatch):
    """The path may be all right, and nothing else is said of it."""

    def refuse(path, *, strict):
        raise OSError(errno.EMFILE, "Too many open files", path)

    monkeypatch.setattr(os.path, "realpath", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        resolve("/data")


def test_directories_that_another_makes_meanwhile(tmp_path, monkeypatch):
    """They are taken as they are."""
    mkdir = os.mkdir

    def make_and_fail(path, mode):
        mkdir(path, mode)
        raise FileExistsError(errno.EEXIST, "File exists", path)

    monkeypatch.setattr(os, "mkdir", make_and_fail)
    assert resolve(tmp_path / "new") == str(tmp_path / "new")
