"""The shim and the OCI runtime of each handler are searched where containerd searches them."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from cri_shim.doctor.checks.cni_programs import judge_plugins, read_plugins
from cri_shim.doctor.checks.runtime_features import Features, judge_features, read_features
from cri_shim.doctor.checks.runtimes import judge_programs, read_programs, shim_of
from cri_shim.doctor.facts.place import Place
from cri_shim.network.conflist import parse_conflist
from tests.unit.doctor.node_tree import config_of, findings, healthy_node, plant, reported

CONTAINERD = 50
NETWORK = parse_conflist(b'{"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "bridge"}]}')


@pytest.fixture
def node(tmp_path):
    """A node whose containerd is process 50, with its own PATH."""
    place = plant(tmp_path, {f"proc/{CONTAINERD}/environ": "A=b\0PATH=/theirs/bin\0", "opt/containerd": ""})
    (tmp_path / f"proc/{CONTAINERD}/exe").symlink_to("/opt/bin/containerd")
    return place


def install(place, *paths, mode=0o755):
    for path in paths:
        plant(place.root, {path.lstrip("/"): ""})
        place.at(path).chmod(mode)


def judged(place, text=""):
    return list(judge_programs(read_programs(config_of(text), place, CONTAINERD), place))


def test_programs_on_containerds_path_are_fine(node):
    install(node, "/theirs/bin/runc", "/theirs/bin/containerd-shim-runc-v2")
    assert reported(judged(node)) == {}


def test_a_shim_beside_containerds_program_is_fine(node):
    install(node, "/theirs/bin/runc", "/opt/bin/containerd-shim-runc-v2")
    assert reported(judged(node)) == {}


def test_a_missing_shim(node):
    install(node, "/theirs/bin/runc")
    outcomes = judged(node)
    assert reported(outcomes) == {"shim-missing": "error"}
    assert "containerd's PATH: /theirs/bin" in findings(outcomes)[0].what


def test_a_missing_runtime(node):
    install(node, "/theirs/bin/containerd-shim-runc-v2")
    outcomes = judged(node)
    assert reported(outcomes) == {"runtime-missing": "error"}
    assert findings(outcomes)[0].remedy[0] == "$ apt install runc"


def test_programs_that_only_root_may_see_are_unknown(node, monkeypatch):
    install(node, "/theirs/bin/runc", "/theirs/bin/containerd-shim-runc-v2")
    ordinary = Path.stat

    def refuse(path, **options):
        if path.parent == node.at("/theirs/bin"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return ordinary(path, **options)

    monkeypatch.setattr(Path, "stat", refuse)
    user = Place(root=node.root, uid=1000)
    assert reported(judged(user)) == {"shim-missing": "unknown", "runtime-missing": "unknown"}
    assert reported(judged(node)) == {"shim-missing": "error", "runtime-missing": "error"}
    programs = read_plugins([NETWORK], ["/theirs/bin"], user)
    assert reported(judge_plugins([NETWORK], programs, ["/theirs/bin"], user)) == {
        "cni-program-not-executable": "unknown"
    }


def test_a_runtime_that_is_not_executable(node):
    install(node, "/theirs/bin/containerd-shim-runc-v2")
    install(node, "/theirs/bin/runc", mode=0o644)
    assert "/theirs/bin/runc is not executable" in findings(judged(node))[0].what


def test_handlers_with_programs_of_their_own(node):
    install(node, "/theirs/bin/containerd-shim-runc-v2", "/theirs/bin/runc", "/usr/local/bin/crun", "/kata/shim")
    text = """
[containerd.runtimes.crun.options]
BinaryName = "/usr/local/bin/crun"
[containerd.runtimes.kata]
runtime_type = "io.containerd.kata.v2"
runtime_path = "/kata/shim"
"""
    assert reported(judged(node, text)) == {}
    node.at("/usr/local/bin/crun").unlink()
    node.at("/kata/shim").unlink()
    assert reported(judged(node, text)) == {"runtime-missing": "error", "shim-missing": "error"}


def test_without_containerds_environment_our_own_path_is_named(tmp_path):
    place = plant(tmp_path, {"proc/version": ""})
    outcomes = list(judge_programs(read_programs(config_of(), place, 0), place))
    assert "this shell's PATH" in findings(outcomes)[0].what


def test_a_user_who_may_not_see_containerds_path(node, monkeypatch):
    """What is on no directory that services have may still be on containerd's; what is there, is there."""
    monkeypatch.setenv("PATH", "/usr/bin")
    install(node, "/usr/sbin/runc", "/theirs/bin/containerd-shim-runc-v2")
    monkeypatch.setattr("cri_shim.doctor.facts.programs.text_of", forbidden)
    user = Place(root=node.root, uid=1000)
    assert reported(judged(user)) == {"shim-missing": "unknown"}


def forbidden(path):
    raise PermissionError(errno.EACCES, "Permission denied", str(path))


def test_names_of_shims():
    assert shim_of("io.containerd.runc.v2") == "containerd-shim-runc-v2"
    assert shim_of("io.containerd.kata.v2") == "containerd-shim-kata-v2"


def answer(**linux):
    whole = {
        "namespaces": ["user", "mount"],
        "cgroup": {"v1": True, "v2": True, "systemd": True},
        "seccomp": {"enabled": True},
        **linux,
    }
    return json.dumps({
        "mountOptions": ["rro"],
        "linux": whole,
        "annotations": {"org.opencontainers.runc.version": "1.1.5"},
    }).encode()  # fmt: skip


def features(document=None, reason="", *, systemd=False, snapshotter="overlayfs"):
    return Features("runc", "/usr/sbin/runc", snapshotter, systemd, answer() if document is None else document, reason)


@pytest.fixture(autouse=True)
def _has_unshare(monkeypatch):
    monkeypatch.setattr("cri_shim.node.handler_features.unshare_program", lambda: "/usr/bin/unshare")


@pytest.mark.parametrize(
    ("asked", "changes", "filesystem", "code"),
    [
        (features(), {}, "ext4", {}),
        (features(systemd=True), {}, "ext4", {}),
        (features(b"", "exit code 1: no such command"), {}, "ext4", {"runtime-features-unknown": "warning"}),
        (features(b"[]"), {}, "ext4", {"runtime-features-unknown": "warning"}),
        (features(answer(cgroup=7)), {}, "ext4", {"runtime-features-unknown": "warning"}),
        (features(answer(seccomp={"enabled": False})), {}, "ext4", {"seccomp-missing": "error"}),
        (features(), {"seccomp": False}, "ext4", {"seccomp-missing": "error"}),
        (features(answer(cgroup={"v1": True})), {}, "ext4", {"runtime-lacks-cgroups": "error"}),
        (features(answer(cgroup={"v1": True})), {"cgroup_v2": False}, "ext4", {}),
        (features(answer(cgroup={"v2": True}), systemd=True), {}, "ext4", {"runtime-lacks-cgroups": "error"}),
        (features(answer(namespaces=["mount"])), {}, "ext4", {"user-namespaces-unavailable": "note"}),
        (features(), {"user_namespaces": False}, "ext4", {"user-namespaces-unavailable": "note"}),
        (features(), {"kernel": (5, 10)}, "ext4", {"user-namespaces-unavailable": "note"}),
        (features(snapshotter="native"), {}, "ext4", {"user-namespaces-unavailable": "note"}),
        (features(), {}, "nfs4", {"user-namespaces-unavailable": "note"}),
    ],
)
def test_features(asked, changes, filesystem, code):
    assert reported(judge_features([asked], healthy_node(**changes), filesystem)) == code


async def test_runtimes_are_asked_as_they_are(tmp_path):
    """One answers, one fails; both are run, and one that does not exist is left to the other check."""
    for name, script in (("good", f"echo '{answer().decode()}'"), ("bad", "echo no such command >&2; exit 1")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    text = "".join(
        f'[containerd.runtimes.{name}.options]\nBinaryName = "{tmp_path}/{name}"\n' for name in ("good", "bad", "gone")
    )
    config = config_of(f'[containerd]\ndefault_runtime_name = "good"\n{text}')
    asked = await read_features(config, read_programs(config, Place(), 0))
    by_handler = {each.handler: each for each in asked}
    assert by_handler["good"].answer
    assert "no such command" in by_handler["bad"].reason
    assert "gone" not in by_handler
