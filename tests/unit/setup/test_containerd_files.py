"""The files that start containerd without its CRI plugin, for what a node may have."""

from __future__ import annotations

import tomllib

import pytest

from cri_shim.setup.containerd_files import containerd_config, containerd_drop_in
from cri_shim.setup.containerd_unit import ContainerdCommand, containerd_command
from cri_shim.setup.shipped import shipped

FULL_NAMES = tomllib.loads(shipped("containerd-no-cri.toml"))["disabled_plugins"]


@pytest.mark.parametrize("version", [2, 3])
def test_a_node_with_a_later_version_gets_the_shipped_file(version):
    """It is of version 2, which all containerds read; the usual file brings its own version."""
    assert containerd_config(ContainerdCommand(), version, pods_only=False) == shipped("containerd-no-cri.toml")


def test_a_node_with_version_1_gets_the_names_of_version_1():
    """containerd 1.x ignores the others there, and 2.x takes the others."""
    config = tomllib.loads(containerd_config(ContainerdCommand(), 1, pods_only=False))
    assert config["version"] == 1
    assert config["disabled_plugins"] == ["cri", *FULL_NAMES]
    assert config["imports"] == ["/etc/containerd/config.t*ml"]


def test_what_only_pods_do_not_need_is_off_under_its_names_of_version_1():
    """As in the file of version 2."""
    config = tomllib.loads(containerd_config(ContainerdCommand(), 1, pods_only=True))
    assert {"cri", "restart", "nri", "btrfs"} <= set(config["disabled_plugins"])
    assert "overlayfs" not in config["disabled_plugins"]


def test_another_configuration_is_taken_in():
    """The one that the unit names."""
    config = containerd_config(ContainerdCommand(config='/srv/a "b".toml'), 2, pods_only=False)
    assert tomllib.loads(config)["imports"] == ['/srv/a "b".toml']


def test_without_other_settings_the_drop_in_is_the_shipped_one():
    """Nothing is rewritten."""
    assert containerd_drop_in(ContainerdCommand()) == shipped("containerd.service.d/10-cri-shim.conf")


UNIT = "/lib/systemd/system/containerd.service"


def drop_in(name):
    """The path of a drop-in."""
    return f"/etc/systemd/system/containerd.service.d/{name}"


@pytest.mark.parametrize(
    ("texts", "command"),
    [
        ([], ContainerdCommand()),
        (
            [(UNIT, "[Service]\nExecStart=/usr/local/bin/containerd\n")],
            ContainerdCommand(UNIT, "/usr/local/bin/containerd"),
        ),
        (
            [
                (
                    UNIT,
                    "[Service]\nExecStartPre=-/bin/a\nExecStart=-/usr/bin/containerd -l \\\n info -c /a.toml\n",
                )
            ],
            ContainerdCommand(UNIT, arguments=("-l", "info"), config="/a.toml", prefix="-"),
        ),
        (
            [(UNIT, "[Service]\nExecStart=@/usr/bin/containerd c \\\n# why\n  ; not\n  -l info\n# ExecStart=/x\n")],
            ContainerdCommand(UNIT, arguments=("c", "-l", "info"), prefix="@"),
        ),
        (
            [
                (UNIT, "[Service]\nExecStart=/usr/bin/containerd\n"),
                (drop_in("05-x.conf"), "[Service]\nExecStart=\nExecStart=/opt/containerd --config=/b.toml\n"),
                (drop_in("10-cri-shim.conf"), shipped("containerd.service.d/10-cri-shim.conf")),
            ],
            ContainerdCommand(UNIT, "/opt/containerd", config="/b.toml"),
        ),
        (
            [
                (UNIT, "[Service]\nExecStart=/usr/bin/containerd\n"),
                (drop_in("20-x.conf"), "[Service]\nExecStart=\nExecStart=/opt/containerd\n"),
            ],
            ContainerdCommand(UNIT, "/opt/containerd", later=drop_in("20-x.conf")),
        ),
        ([(UNIT, "[Install]\nExecStart=/x\n")], ContainerdCommand(UNIT)),
        (
            [(UNIT, "[Service]\nExecStart=/opt/a\\x20b/containerd -c /a\\x20b%%.toml -l '\\x41' ; /x --config=/y\n")],
            ContainerdCommand(UNIT, "/opt/a b/containerd", arguments=("-l", "A"), config="/a b%.toml"),
        ),
    ],
    ids=[
        "no unit",
        "elsewhere",
        "arguments",
        "comments",
        "drop-in before ours",
        "drop-in after ours",
        "other section",
        "escapes",
    ],
)
def test_the_command_of_the_unit_is_found(texts, command):
    """With its drop-ins, and without ours."""
    assert containerd_command(texts) == command


def test_the_drop_in_keeps_program_and_arguments():
    """Only the configuration is another one. A prefix says how systemd reads the rest, as @ does."""
    given = ContainerdCommand(UNIT, "/opt/containerd", ("c", "-l", "a b", "$OPTS"), "/b.toml", prefix="-@")
    text = containerd_drop_in(given)
    said = 'ExecStart=-@/opt/containerd c -l "a b" $OPTS --config /etc/cri-shim/containerd.toml'
    assert text.splitlines()[-1] == said
    assert containerd_command([(UNIT, text)]).config == "/etc/cri-shim/containerd.toml"


def test_a_snapshotter_that_the_daemon_uses_stays():
    """Images could not be unpacked without it."""
    text = containerd_config(ContainerdCommand(), 2, pods_only=True, snapshotters=frozenset({"overlayfs", "erofs"}))
    names = tomllib.loads(text)["disabled_plugins"]
    assert not [name for name in names if name.endswith(".erofs")]
    assert "io.containerd.snapshotter.v1.zfs" in names
