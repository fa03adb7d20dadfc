"""What keeps a set-up from being made is said before anything is changed."""

from __future__ import annotations

import os

import pytest

from cri_shim import cli
from cri_shim.setup import targets
from cri_shim.setup.only_one import only_one


@pytest.fixture
def root(tmp_path):
    """A node without systemd."""
    top = tmp_path / "root"
    for directory in ("etc", "lib/systemd/system"):
        (top / directory).mkdir(parents=True)
    (top / "lib/systemd/system/containerd.service").write_text("[Service]\nExecStart=/usr/bin/containerd\n")
    return top


def setup(root, *arguments):
    return cli.main(["setup", "--root", str(root), *arguments])


def tree(root):
    return sorted(map(str, root.rglob("*")))


def test_two_set_ups_at_once(root, capsys):
    """The second would write a journal without what the first has changed. A look is harmless."""
    before = tree(root)
    with only_one(root):
        assert setup(root, "-y") == 1
        assert "another `cri-shim setup` is running" in capsys.readouterr().err
        assert setup(root, "--dry-run") == 0
    assert tree(root) == before
    assert setup(root, "-y") == 0


@pytest.mark.parametrize("path", [targets.OWN_CONFIG, targets.CONTAINERD_CONFIG, targets.CONTAINERD_DROP_IN])
def test_links_where_files_must_be(root, capsys, path):
    """The daemon would not start, or containerd would keep its CRI plugin."""
    place = root / path.lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to("/nowhere")
    before = tree(root)
    assert setup(root, "-y") == 1
    assert "move it away" in " ".join(capsys.readouterr().err.split())
    assert tree(root) == before


def test_a_root_that_is_no_directory(tmp_path, capsys):
    """A link in a circle among them."""
    (tmp_path / "a").symlink_to("a")
    for name in ("a", "b"):
        assert setup(tmp_path / name, "-y") == 1
        assert "Not a directory" in " ".join(capsys.readouterr().err.split())


def test_a_copy_is_announced_only_where_one_is_made(root, capsys):
    """A file that the first set-up wrote gets none when the next one has other options."""
    assert setup(root, "-y") == 0
    capsys.readouterr()
    assert setup(root, "-y", "--pods-only") == 0
    assert "a copy of what is there" not in capsys.readouterr().out
    assert not list(root.rglob("*.before-cri-shim"))


def huge(place):
    place.unlink()
    place.touch()
    os.truncate(place, targets.LARGEST + 1)


def link(place):
    place.rename(place.with_name("moved"))
    place.symlink_to("moved")


def link_to_nothing(place):
    place.unlink()
    place.symlink_to("/nowhere")


def directory(place):
    place.unlink()
    place.mkdir()


@pytest.mark.parametrize("change", [huge, link, link_to_nothing, directory])
def test_an_undo_leaves_what_took_the_place_of_a_file(root, capsys, change):
    """Everything else is taken back. With --force, so is that, but no directory with what may be in it."""
    assert setup(root, "-y") == 0
    change(root / "etc/crictl.yaml")
    assert setup(root, "--undo", "-y") == 1
    assert "not undone: /etc/crictl.yaml was" in " ".join(capsys.readouterr().err.split())
    assert not (root / "etc/cri-shim").exists()
    assert os.path.lexists(root / "etc/crictl.yaml")
    assert setup(root, "--undo", "-y", "--force") == (change is directory)
    assert os.path.lexists(root / "etc/crictl.yaml") == (change is directory)
