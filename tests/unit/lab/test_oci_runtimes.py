"""How a comparison's labs get another OCI runtime, and what is done about a machine that crun refuses."""

from __future__ import annotations

import os

import pytest

from lab.containerd import PrivateContainerd
from lab.debian import oci_runtimes
from tests.unit.lab.made_up_programs import program


@pytest.fixture(autouse=True)
def nothing_there(tmp_path, monkeypatch):
    """Neither PATH nor an earlier download has a runtime; what a test changes in the environment is put back."""
    monkeypatch.setattr(oci_runtimes, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("LAB_OCI_RUNTIME", raising=False)
    (tmp_path / "bin").mkdir()
    yield
    os.environ.pop("LAB_OCI_RUNTIME", None)


def handler(directory):
    """The options of the plugin's runtime handler."""
    section = PrivateContainerd(directory, cri_plugin=True)._plugin_section()
    return section["containerd"]["runtimes"]["runc"]["options"]


def test_without_a_choice_no_program_is_named(tmp_path):
    """containerd then looks for runc on PATH."""
    assert "BinaryName" not in handler(tmp_path)


def test_crun_is_named_to_all_labs(tmp_path):
    """Plugin and bridge have the same option, as on a machine whose operator wants crun."""
    unpacked = program(tmp_path / "cache/crun/bin/crun", "crun version 1.28")
    assert oci_runtimes.use("crun") == str(unpacked)
    assert handler(tmp_path)["BinaryName"] == str(unpacked)


def test_an_installed_crun_comes_first(tmp_path):
    """What is unpacked is for machines without it."""
    program(tmp_path / "cache/crun/bin/crun", "crun version 1.28")
    installed = program(tmp_path / "bin/crun", "crun version 1.8.1")
    assert oci_runtimes.use("crun") == str(installed)


def test_another_runc_takes_the_place_of_the_machines(tmp_path):
    """An installed runc is of another version; no option names the new one, so that it works like an installed one."""
    unpacked = program(tmp_path / "cache/runc-1.3/bin/runc", "runc version 1.3.6")
    program(tmp_path / "bin/runc", "runc version 1.1.5")
    assert oci_runtimes.use("runc-1.3") == "runc"
    assert os.environ["PATH"].split(":") == [str(unpacked.parent), str(tmp_path / "bin")]
    assert "BinaryName" not in handler(tmp_path)


@pytest.mark.parametrize(("content", "refuses"), [("hugetlb\n", True), ("\n", False), ("", False)])
def test_crun_refuses_v2_controllers_beside_v1(tmp_path, content, refuses):
    """Only where the second hierarchy has some."""
    controllers = tmp_path / "cgroup.controllers"
    assert not oci_runtimes.refuses_hybrid_cgroups(controllers)
    controllers.write_text(content)
    assert oci_runtimes.refuses_hybrid_cgroups(controllers) is refuses
    assert oci_runtimes.has_hybrid_cgroups(controllers)
