"""Links of the node are links of that node, also below a directory that is not the root of this machine."""

from __future__ import annotations

import pytest

from cri_shim.doctor.facts.unit_files import unit_file, unit_texts
from cri_shim.node_root import on_disk
from cri_shim.setup import targets
from cri_shim.setup.apply import apply
from cri_shim.setup.containerd_unit import containerd_command
from cri_shim.setup.journal import Journal
from cri_shim.setup.node import read_node
from cri_shim.setup.plan import Options, make_plan

UNIT = "containerd.service"


@pytest.fixture
def root(tmp_path):
    top = tmp_path / "root"
    for directory in ("etc/systemd/system/containerd.service.d", "lib/systemd/system", "srv/own"):
        (top / directory).mkdir(parents=True)
    (top / "lib/systemd/system" / UNIT).write_text("[Service]\nExecStart=/usr/bin/containerd\n")
    return top


def drop_in(root, name):
    return root / "etc/systemd/system/containerd.service.d" / name


def test_an_absolute_link_begins_at_the_root_of_the_node(root, tmp_path):
    outside = tmp_path / "outside"
    for place in (outside, root / str(outside).lstrip("/")):
        place.mkdir(parents=True)
    (root / "etc/cri-shim").symlink_to(outside)
    journal = Journal.read(on_disk(root, targets.JOURNAL))
    for change in make_plan(read_node(root, program=""), Options(), {}, ()).changes:
        apply(change, root, journal)
    assert not list(outside.iterdir())
    assert (root / str(outside).lstrip("/") / "containerd.toml").is_file()


@pytest.mark.parametrize("target", ["../../../../../../srv", "/srv", "/../srv", "../srv/./own/.."])
def test_no_link_leads_out(root, target):
    (root / "etc/link").symlink_to(target)
    assert on_disk(root, "/etc/link/file") == root / "srv/file"
    assert on_disk(root, "/etc/link") == root / "etc/link"
    assert on_disk(root, "/etc/link", follow=True) == root / "srv"


def test_links_in_a_circle_end(root):
    (root / "etc/a").symlink_to("b")
    (root / "etc/b").symlink_to("/etc/a")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        on_disk(root, "/etc/a/file")


@pytest.mark.parametrize("target", ["/dev/null", "/nowhere"])
def test_a_drop_in_that_systemd_skips(root, target):
    drop_in(root, "20-proxy.conf").symlink_to(target)
    assert [path for path, _ in unit_texts(root, UNIT)] == [f"/lib/systemd/system/{UNIT}"]


def test_a_masked_drop_in_hides_the_one_of_a_later_directory(root):
    (root / "lib/systemd/system/containerd.service.d").mkdir()
    hidden = root / "lib/systemd/system/containerd.service.d/05-vendor.conf"
    hidden.write_text("[Service]\nExecStart=\nExecStart=/opt/containerd\n")
    drop_in(root, "05-vendor.conf").symlink_to("/dev/null")
    assert containerd_command(unit_texts(root, UNIT)).program == "/usr/bin/containerd"


def test_a_masked_unit_is_none(root):
    (root / "etc/systemd/system" / UNIT).symlink_to("/dev/null")
    assert not unit_file(root, UNIT)


def test_what_containerd_imports_is_read_below_the_root_of_the_node(root):
    """As containerd will read it there: the links and the stars of that node, and no file of this machine."""
    (root / "etc/containerd").mkdir()
    (root / "srv/own/a.toml").write_text('required_plugins = ["io.containerd.grpc.v1.cri"]\n')
    (root / "etc/containerd/conf.d").symlink_to("/srv/own")
    (root / "etc/containerd/config.toml").write_text('version = 2\nimports = ["/etc/containerd/conf.d/*.toml"]\n')
    made = make_plan(read_node(root, program="/usr/bin/cri-shim"), Options(), {}, ())
    assert any("/etc/containerd/conf.d/a.toml has io.containerd.grpc.v1.cri in" in each for each in made.problems)
    (root / "srv/own/a.toml").unlink()
    assert not make_plan(read_node(root, program="/usr/bin/cri-shim"), Options(), {}, ()).problems


def test_a_file_that_containerd_imports_and_that_is_not_there_is_a_problem(root):
    """containerd would not start."""
    (root / "etc/containerd").mkdir()
    (root / "etc/containerd/config.toml").write_text('version = 2\nimports = ["gone.toml"]\n')
    made = make_plan(read_node(root, program="/usr/bin/cri-shim"), Options(), {}, ())
    assert any("/etc/containerd/gone.toml: file not found" in each for each in made.problems)
