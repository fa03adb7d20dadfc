"""Labelling files, on the real file system; the attribute can be set where no SELinux reads it."""

from __future__ import annotations

import os
import sys

import pytest

from cri_shim.kernel.relabel import relabel

pytestmark = pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="sets attributes of security.*")
LABEL = "system_u:object_r:container_file_t:s0:c1,c2"


def label_of(path):
    """The label of a path itself."""
    return os.getxattr(path, "security.selinux", follow_symlinks=False).rstrip(b"\0").decode()


@pytest.fixture
def tree(tmp_path):
    """A tree with a link out of it."""
    try:
        os.setxattr(tmp_path, "security.selinux", b"old")
    except OSError:
        pytest.skip("this file system keeps no labels")
    (tmp_path / "outside").touch()
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "file").touch()
    (root / "link").symlink_to(tmp_path / "outside")
    return root


def test_everything_below_is_labelled_and_nothing_else(tree):
    """Directory, files and links get the label; what a link points to, and the directory above, do not."""
    relabel(str(tree), LABEL)
    for path in (tree, tree / "sub", tree / "sub" / "file", tree / "link"):
        assert label_of(path) == LABEL
    assert label_of(tree.parent) == "old"
    with pytest.raises(OSError, match="No data"):
        label_of(tree.parent / "outside")


def test_a_single_file(tree):
    """A file is labelled alone."""
    relabel(str(tree / "sub" / "file"), LABEL)
    assert label_of(tree / "sub" / "file") == LABEL


@pytest.mark.parametrize("path", ["/", "/etc", "/usr", "/etc/../var/lib", "/etc/passwd"])
def test_directories_of_the_node_are_left_alone(path):
    """A volume that is /etc or /usr would take the node's own files away from it."""
    with pytest.raises(ValueError, match="cannot be relabelled"):
        relabel(path, LABEL)


def test_what_keeps_no_labels_is_left_alone():
    """A file system without labels is no error, nor is a file that has just gone."""
    relabel("/proc/self/status", LABEL)
    relabel("/no/such/file", LABEL)
