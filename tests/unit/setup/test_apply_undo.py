"""Changes and their undo on a file system of our own, also when either breaks off at any step."""

from __future__ import annotations

import os

import pytest

from cri_shim.setup import targets
from cri_shim.setup.apply import ChangedMeanwhileError, apply
from cri_shim.setup.journal import Journal, JournalError
from cri_shim.setup.node import read_node
from cri_shim.setup.plan import Options, make_plan
from cri_shim.setup.undo import finish, take_back, undo_plan

CRICTL = "timeout: 5\nruntime-endpoint: unix:///run/containerd/containerd.sock\n"
OPTIONS = Options(cni_sample=True, kubelet=True)


class BrokenOffError(Exception):
    """The process was killed."""


class Steps:
    """Breaks off after so many steps; counts them."""

    def __init__(self, limit: int = 10**6) -> None:
        self.limit = limit
        self.made = 0

    def __call__(self) -> None:
        self.made += 1
        if self.made == self.limit:
            raise BrokenOffError


@pytest.fixture
def root(tmp_path):
    """A node with containerd, a crictl.yaml of its own, and the directories of a package."""
    for directory in ("etc/systemd/system", "etc/cni/net.d", "etc/containerd", "lib/systemd/system", "var/lib"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "lib/systemd/system/containerd.service").write_text("[Service]\nExecStart=/usr/bin/containerd\n")
    (tmp_path / "etc/containerd/config.toml").write_text("version = 2\n")
    (tmp_path / "etc/crictl.yaml").write_text(CRICTL)
    (tmp_path / "etc/crictl.yaml").chmod(0o640)
    return tmp_path


def tree(root):
    """Everything below a directory: modes, and contents of files."""
    return {
        str(path.relative_to(root)): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in sorted(root.rglob("*"))
    }


def journal_of(root) -> Journal:
    return Journal.read(root / targets.JOURNAL.lstrip("/"))


def set_up(root, steps=None):
    journal = journal_of(root)
    plan = make_plan(read_node(root, program="/usr/bin/cri-shim"), OPTIONS, journal.known(), ())
    for change in plan.changes:
        apply(change, root, journal, steps or Steps())
    return plan


def undo(root, *, force=False, steps=None):
    journal = journal_of(root)
    made = undo_plan(journal.entries, root, force=force)
    for step in made:
        take_back(step, root, journal, steps or Steps())
    finish(journal)
    return [step.text for step in made if step.kind == "refuse"]


def test_undo_leaves_what_was_there(root):
    """To the last byte and mode."""
    before = tree(root)
    set_up(root)
    assert (root / "etc/crictl.yaml").read_text() != CRICTL
    assert (root / "etc/crictl.yaml").stat().st_mode & 0o777 == 0o640
    assert (root / "etc/crictl.yaml.before-cri-shim").read_text() == CRICTL
    assert (root / "var/lib/cri-shim").stat().st_mode & 0o777 == 0o700
    assert undo(root) == []
    assert tree(root) == before


def test_a_second_set_up_changes_nothing(root):
    """And keeps what the undo needs."""
    before = tree(root)
    set_up(root)
    once = tree(root)
    assert set_up(root).changes == ()
    assert tree(root) == once
    undo(root)
    assert tree(root) == before


def all_steps(root):
    steps = Steps()
    set_up(root, steps)
    return steps.made


def test_a_set_up_that_broke_off_anywhere_is_completed_or_undone(root):
    """It ends as if it had not broken off."""
    before = tree(root)
    count = all_steps(root)
    complete = tree(root)
    undo(root)
    assert count > 20
    for limit in range(1, count + 1):
        for go_on in (True, False):
            with pytest.raises(BrokenOffError):
                set_up(root, Steps(limit))
            if go_on:
                set_up(root)
                assert {path: value for path, value in tree(root).items() if "setup.json" not in path} == {
                    path: value for path, value in complete.items() if "setup.json" not in path
                }
            assert undo(root) == []
            assert tree(root) == before, limit


def test_an_undo_that_broke_off_anywhere_is_completed(root):
    """Nothing is taken back twice."""
    before = tree(root)
    set_up(root)
    steps = Steps()
    undo(root, steps=steps)
    for limit in range(1, steps.made + 1):
        set_up(root)
        with pytest.raises(BrokenOffError):
            undo(root, steps=Steps(limit))
        assert undo(root) == []
        assert tree(root) == before, limit


def test_a_draft_of_a_killed_write_does_not_stay(root):
    """It would keep its directory."""
    before = tree(root)
    set_up(root)
    for path in (targets.CONTAINERD_CONFIG, targets.JOURNAL):
        (root / f"{path.lstrip('/')}.cri-shim-new").write_text("half")
    undo(root)
    assert tree(root) == before


@pytest.mark.parametrize("path", [targets.CONTAINERD_CONFIG, targets.CRICTL, targets.OWN_UNIT])
def test_what_others_changed_since_stays(root, path):
    """Until it is forced; everything else is taken back."""
    before = tree(root)
    set_up(root)
    file = root / path.lstrip("/")
    file.write_text("theirs\n")
    (refused,) = undo(root)
    assert path in refused
    assert file.read_text() == "theirs\n"
    assert not (root / targets.CONTAINERD_DROP_IN.lstrip("/")).exists()
    assert undo(root, force=True) == []
    assert tree(root) == before


def test_what_others_removed_is_fine(root):
    """A file of ours needs no removal then, and what was there before comes back."""
    before = tree(root)
    set_up(root)
    (root / targets.CONTAINERD_CONFIG.lstrip("/")).unlink()
    (root / "etc/crictl.yaml").unlink()
    assert undo(root) == []
    assert tree(root) == before


def test_a_lost_copy_is_said(root):
    """The file is ours and cannot be put back."""
    set_up(root)
    (root / "etc/crictl.yaml.before-cri-shim").unlink()
    (refused,) = undo(root, force=True)
    assert "copy" in refused


def test_a_directory_with_files_of_others_stays(root):
    """Only ours are removed from it."""
    set_up(root)
    (root / "etc/cri-shim/other").write_text("")
    journal = journal_of(root)
    remarks = [take_back(step, root, journal) for step in undo_plan(journal.entries, root, force=False)]
    finish(journal)
    assert [remark for remark in remarks if remark] == ["/etc/cri-shim stays: Directory not empty"]
    assert os.listdir(root / "etc/cri-shim") == ["other"]
    assert not (root / "var/lib/cri-shim").exists()


def test_files_that_were_there_and_right_are_not_taken_back(root):
    """The administrator has made them, by hand."""
    (root / "etc/cri-shim").mkdir()
    (root / "etc/cri-shim/config.toml").write_text('root = "/var/lib/cri-shim"\n')
    before = tree(root)
    set_up(root)
    undo(root)
    assert tree(root) == before


def test_a_change_between_showing_and_making_is_noticed(root):
    """What was shown is what is made."""
    journal = journal_of(root)
    plan = make_plan(read_node(root, program="/x"), Options(), {}, ())
    (root / "etc/crictl.yaml").write_text("theirs\n")
    with pytest.raises(ChangedMeanwhileError):
        for change in plan.changes:
            apply(change, root, journal)
    undo(root)
    assert (root / "etc/crictl.yaml").read_text() == "theirs\n"


def test_a_copy_of_something_else_is_not_overwritten(root):
    """Somebody's file of that name."""
    (root / "etc/crictl.yaml.before-cri-shim").write_text("older\n")
    with pytest.raises(FileExistsError):
        set_up(root)
    undo(root)
    assert (root / "etc/crictl.yaml.before-cri-shim").read_text() == "older\n"


@pytest.mark.parametrize("content", ["", "{", '{"format": 2}', '{"entries": [{"type": "moon"}]}'])
def test_a_journal_that_cannot_be_read_stops_everything(root, content):
    """Nothing is guessed."""
    (root / "var/lib/cri-shim").mkdir()
    (root / "var/lib/cri-shim/setup.json").write_text(content)
    with pytest.raises(JournalError):
        journal_of(root)
