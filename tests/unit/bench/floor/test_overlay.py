"""The layers of a container's root, out of a line of the mount table."""

from __future__ import annotations

import pytest

from cri_shim.bench.floor.errors import FloorError
from cri_shim.bench.floor.overlay import layers_of, parse_layers
from cri_shim.kernel.mountinfo import MountPoint, parse_mountinfo


def root(options: str) -> MountPoint:
    (mount,) = parse_mountinfo(f"92 56 0:43 / / rw,relatime - overlay overlay {options}")
    return mount


def test_layers_and_the_options_that_the_kernel_takes_back():
    """Directories of the side's own pod, and what the kernel only shows, are left out."""
    options = "rw,lowerdir=/s/2/fs:/s/1/fs,upperdir=/s/3/fs,workdir=/s/3/work,index=off,uuid=on,seclabel,volatile"
    assert parse_layers(root(options)) == ("/s/2/fs:/s/1/fs", ("index=off", "volatile"))


def test_layers_named_from_the_stores_folder_get_their_whole_path():
    """Runtimes shorten many layers, because the kernel takes one page of options."""
    options = "rw,lowerdir=2/fs:1/fs,upperdir=/store/3/fs,workdir=/store/3/work"
    assert parse_layers(root(options))[0] == "/store/2/fs:/store/1/fs"


def test_layers_given_one_by_one_are_joined():
    """The form of the newer system calls."""
    assert parse_layers(root("rw,lowerdir+=/a,lowerdir+=/b,upperdir=/c/fs,workdir=/c/w"))[0] == "/a:/b"


def test_a_root_without_layers_cannot_be_made_again():
    """It is said, not guessed."""
    with pytest.raises(FloorError, match="names no lower layers"):
        parse_layers(root("rw"))


def test_a_root_that_is_no_overlay_is_named(monkeypatch):
    """The file system that it is on stands in the sentence."""
    mounts = parse_mountinfo("92 56 0:43 / / rw,relatime - btrfs /dev/vda rw")
    monkeypatch.setattr("cri_shim.bench.floor.overlay.read_mountinfo", lambda _path: mounts)
    with pytest.raises(FloorError, match="the root of a container is btrfs"):
        layers_of(1)


def test_a_process_that_is_gone_is_named():
    """Its mounts cannot be read any more."""
    with pytest.raises(FloorError, match="the mounts of process 999999999 cannot be read"):
        layers_of(999999999)
