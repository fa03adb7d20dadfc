"""Checks of one or two facts: the clock, criu, security modules, leftovers, the sandbox image, the configuration."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from cri_shim.config import ConfigError, load, parse
from cri_shim.doctor.checks.checkpoints import judge_criu, read_criu
from cri_shim.doctor.checks.clock import Clock, judge_clock, read_clock
from cri_shim.doctor.checks.configuration import judge_configuration
from cri_shim.doctor.checks.leftovers import judge_leftovers, read_leftovers
from cri_shim.doctor.checks.sandbox_image import judge_image, pull_obstacle
from cri_shim.doctor.checks.security_modules import Modules, judge_modules, read_modules
from cri_shim.doctor.facts.place import Place
from cri_shim.doctor.facts.programs import Searched
from cri_shim.paths import Paths
from tests.unit.doctor.node_tree import config_of, findings, healthy_node, plant, reported

PLACE = Place()
NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("clock", "code"),
    [
        (Clock(NOW, synchronised=True), {}),
        (Clock(NOW, synchronised=False), {"clock-not-synchronised": "note"}),
        (Clock(NOW, None), {"clock-not-synchronised": "unknown"}),
        (Clock(0.0, synchronised=True), {"clock-wrong": "error"}),
        (Clock(-5.0, synchronised=True), {"clock-wrong": "error"}),
    ],
)
def test_the_clock(clock, code):
    assert reported(judge_clock(clock)) == code


def test_this_clock_can_be_read():
    assert read_clock().now > 1_700_000_000


@pytest.mark.parametrize(
    ("searched", "answer", "code"),
    [
        (Searched("/usr/sbin/criu"), "Version: 3.17.1\n", {}),
        (Searched(), "", {"criu-missing": "note"}),
        (Searched("/usr/sbin/criu"), "Version: 3.15\n", {"criu-missing": "note"}),
        (Searched("/usr/sbin/criu"), "", {"criu-missing": "unknown"}),
    ],
)
def test_criu(searched, answer, code):
    assert reported(judge_criu(searched, answer)) == code


async def test_a_criu_that_is_missing_or_broken_has_no_answer(tmp_path):
    assert await read_criu(Searched()) == ""
    assert await read_criu(Searched(str(tmp_path / "gone"))) == ""


ENFORCING = "[runtime]\nenable_selinux = true\n"


@pytest.mark.parametrize(
    ("modules", "config", "code"),
    [
        (Modules(apparmor=True, parser="/sbin/apparmor_parser", enforcing=None), "", {}),
        (Modules(apparmor=False, parser="", enforcing=None), "", {}),
        (Modules(apparmor=True, parser="", enforcing=None), "", {"apparmor-parser-missing": "error"}),
        (Modules(apparmor=True, parser="", enforcing=None), "[runtime]\ndisable_apparmor = true\n", {}),
        (Modules(apparmor=False, parser="", enforcing=True), "", {"selinux-labels-off": "warning"}),
        (Modules(apparmor=False, parser="", enforcing=True), ENFORCING, {}),
        (Modules(apparmor=False, parser="", enforcing=False), "", {}),
        (Modules(apparmor=False, parser="", enforcing=None), ENFORCING, {"selinux-missing": "warning"}),
    ],
)
def test_security_modules(modules, config, code):
    assert reported(judge_modules(modules, config_of(config), PLACE)) == code


def test_security_modules_are_read(tmp_path):
    place = plant(tmp_path, {"sys/fs/selinux/enforce": "1", "usr/sbin/apparmor_parser": ""})
    (tmp_path / "usr/sbin/apparmor_parser").chmod(0o755)
    assert read_modules(healthy_node(), (), place) == Modules(True, "/usr/sbin/apparmor_parser", True)


def test_leftovers(tmp_path):
    """What has a record, and what is too young to have one, does not count."""
    shm = "2 1 0:1 / {}/state/sandboxes/{}/shm rw - tmpfs s rw\n"
    place = plant(tmp_path, {
        "root/sandboxes/known/hosts": "",
        "root/sandboxes/gone/hosts": "",
        "state/containers/young/fifo": "",
        "proc/self/mountinfo": shm.format(tmp_path, "gone") + shm.format(tmp_path, "known"),
    })  # fmt: skip
    for name in ("known", "gone"):
        os.utime(tmp_path / "root/sandboxes" / name, (1000, 1000))
    here = read_leftovers(Paths(Path("/root"), Path("/state")), place)
    outcomes = list(judge_leftovers(here, frozenset({"known"}), PLACE, daemon_runs=False))
    assert reported(outcomes) == {"leftover-directories": "warning", "leftover-mounts": "warning"}
    assert [finding.what for finding in findings(outcomes)] == [
        f"1 directory belongs to no pod or container: {tmp_path}/root/sandboxes/gone",
        f"1 mount belongs to no pod or container: {tmp_path}/state/sandboxes/gone/shm",
    ]
    assert reported(judge_leftovers(here, frozenset({"known", "gone"}), PLACE, daemon_runs=True)) == {}


@pytest.mark.parametrize(
    ("present", "obstacle", "code"),
    [
        (True, None, {}),
        (False, "", {}),
        (False, None, {"sandbox-image-missing": "unknown"}),
        (False, "no route to host", {"sandbox-image-missing": "error"}),
    ],
)
def test_the_sandbox_image(present, obstacle, code):
    assert reported(judge_image(present, config_of(), obstacle)) == code


@pytest.mark.parametrize("image", ["127.0.0.1:1/pause:1", "NOT A REFERENCE"])
async def test_a_registry_that_does_not_answer_is_an_obstacle(image):
    assert await pull_obstacle(config_of(f'[image]\nsandbox_image = "{image}"\n'))


def test_mistakes_of_the_configuration():
    with pytest.raises(ConfigError) as raised:
        parse('log_level = "loud"\nnonsense = 1\n', "/etc/cri-shim/config.toml")
    outcomes = list(judge_configuration(raised.value, PLACE))
    assert [finding.code for finding in findings(outcomes)] == ["config-invalid", "config-invalid"]
    assert findings(outcomes)[0].what.startswith("/etc/cri-shim/config.toml:1: log_level")
    assert "$ cri-shim config check /etc/cri-shim/config.toml" in findings(outcomes)[0].remedy


def test_a_configuration_that_this_user_may_not_read(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("cri_shim.config.toml_file.read_text", refuse)
    with pytest.raises(ConfigError) as raised:
        load(tmp_path / "config.toml")
    outcomes = list(judge_configuration(raised.value, Place(uid=1000)))
    assert reported(outcomes) == {"config-invalid": "unknown"}
    assert findings(outcomes)[0].what.endswith("cannot be read: Permission denied")
