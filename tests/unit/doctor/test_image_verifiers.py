"""Image verifiers of containerd's configuration, beside those that the daemon asks."""

from __future__ import annotations

import pytest

from containerd_client.api.containerd.services.introspection.v1 import introspection_pb2 as pb
from cri_shim.doctor.checks.image_verifiers import USUAL_FILE, file_of, judge_verifiers, read_verifiers
from cri_shim.doctor.facts.place import Place
from tests.unit.doctor.node_tree import config_of, findings, reported

PLUGINS = [pb.Plugin(type="io.containerd.image-verifier.v1", id="bindir")]
TABLE = "[plugins.'io.containerd.image-verifier.v1.bindir']\n"
PID = 4711


@pytest.fixture
def place(tmp_path):
    """A node whose containerd has the verifiers in /policy, and reads no other file than the usual one."""
    for path in ("etc/containerd", "policy", f"proc/{PID}"):
        (tmp_path / path).mkdir(parents=True)
    for name in ("a", "b", "c"):
        (tmp_path / "policy" / name).touch()
    (tmp_path / "proc" / str(PID) / "cmdline").write_bytes(b"/usr/bin/containerd\0")
    return Place(root=tmp_path)


def judged(place, text, ours="", file=USUAL_FILE, plugins=PLUGINS):
    """Return what is reported of a node whose containerd has this configuration."""
    place.at(file).write_text(text)
    return list(judge_verifiers(plugins, read_verifiers(PID, place), config_of(ours), place))


def test_another_directory(place):
    outcomes = judged(place, f"version = 3\n{TABLE}bin_dir = '/policy'\n")
    assert reported(outcomes) == {"image-verifiers-unasked": "warning"}
    assert "/policy" in findings(outcomes)[0].what


def test_more_of_them(place):
    text = f"version = 3\n{TABLE}bin_dir = '/policy'\nmax_verifiers = -1\n"
    assert reported(judged(place, text, "[image.verifier]\nbin_dir = '/policy'\nmax_verifiers = 2\n"))
    assert not reported(judged(place, text, "[image.verifier]\nbin_dir = '/policy/'\nmax_verifiers = 3\n"))


@pytest.mark.parametrize(
    "text",
    [
        "version = 3\n",
        f"version = 3\n{TABLE}bin_dir = '/nothing/there'\n",
        f"version = 3\ndisabled_plugins = ['io.containerd.image-verifier.v1.bindir']\n{TABLE}bin_dir = '/policy'\n",
    ],
)
def test_none_to_ask(place, text):
    assert not reported(judged(place, text))


def test_a_containerd_that_asks_none(place):
    assert not reported(judged(place, f"version = 2\n{TABLE}bin_dir = '/policy'\n", plugins=[]))


def test_a_file_that_cannot_be_used(place):
    assert reported(judged(place, "version = ")) == {"image-verifiers-unasked": "unknown"}


def test_no_file_at_all(place):
    assert not reported(judge_verifiers(PLUGINS, read_verifiers(PID, place), config_of(), place))


def test_a_file_that_the_command_line_names(place):
    (place.proc / str(PID) / "cmdline").write_bytes(b"/usr/bin/containerd\0--config\0/policy/own.toml\0")
    assert reported(judged(place, f"version = 3\n{TABLE}bin_dir = '/policy'\n", file="/policy/own.toml"))


@pytest.mark.parametrize(
    ("command", "file"),
    [
        (["containerd", "-c", "/a"], "/a"),
        (["containerd", "--config=/b", "--log-level", "debug"], "/b"),
        (["containerd", "-l", "debug"], USUAL_FILE),
        ([], USUAL_FILE),
    ],
)
def test_the_file_of_a_command_line(command, file):
    assert file_of(command) == file
