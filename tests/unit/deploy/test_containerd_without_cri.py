"""The files that switch containerd's CRI plugin off, read by the real containerd."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

FILE = Path(__file__).parents[3] / "deploy/systemd/containerd-no-cri.toml"
ONLY_PODS = FILE.with_name("containerd-only-pods.toml")
PLUGINS = {
    "io.containerd.grpc.v1.cri",
    "io.containerd.cri.v1.runtime",
    "io.containerd.cri.v1.images",
}


def effective(file):
    """The configuration that the installed containerd makes of a file."""
    if shutil.which("containerd") is None:
        pytest.skip("containerd is not installed")
    done = subprocess.run(
        ["containerd", "--config", str(file), "config", "dump"], capture_output=True, text=True, check=True
    )
    return tomllib.loads(done.stdout)


def test_the_plugin_is_off_under_all_its_names():
    """containerd 1.x has one CRI plugin, 2.x has three parts of it; each is named."""
    assert set(tomllib.loads(FILE.read_text())["disabled_plugins"]) >= PLUGINS
    assert set(effective(FILE)["disabled_plugins"]) >= PLUGINS
    assert not any("cri" in name for name in effective(FILE)["plugins"])


def test_what_the_node_has_configured_still_holds(tmp_path):
    """The usual file is taken in, and the plugins that it disables stay disabled too."""
    usual = tmp_path / "config.toml"
    usual.write_text(
        'version = 2\ndisabled_plugins = ["io.containerd.snapshotter.v1.btrfs"]\n'
        '[plugins."io.containerd.internal.v1.opt"]\npath = "/elsewhere"\n'
    )
    file = tmp_path / "containerd.toml"
    file.write_text(FILE.read_text().replace("/etc/containerd/", f"{tmp_path}/"))
    config = effective(file)
    assert set(config["disabled_plugins"]) >= PLUGINS | {"io.containerd.snapshotter.v1.btrfs"}
    assert config["plugins"]["io.containerd.internal.v1.opt"]["path"] == "/elsewhere"


def test_a_node_without_the_usual_file_starts_too(tmp_path):
    """The pattern matches nothing, and that is no error."""
    file = tmp_path / "containerd.toml"
    file.write_text(FILE.read_text().replace("/etc/containerd/", f"{tmp_path}/none/"))
    assert set(effective(file)["disabled_plugins"]) >= PLUGINS


def test_no_other_file_is_taken_in():
    """The pattern means config.toml, not what package managers leave beside it."""
    (pattern,) = tomllib.loads(FILE.read_text())["imports"]
    names = ["config.toml", "config.toml.dpkg-old", "config.toml.rpmnew", "config.toml~", "config-cri.toml"]
    assert [name for name in names if Path("/etc/containerd", name).match(pattern)] == ["config.toml"]


def test_the_smaller_containerd_has_the_same_off_and_more():
    """It is installed in place of the other file, and takes in the same one."""
    one, other = (tomllib.loads(file.read_text()) for file in (FILE, ONLY_PODS))
    assert set(one["disabled_plugins"]) < set(other["disabled_plugins"])
    assert one["imports"] == other["imports"]
    assert "io.containerd.snapshotter.v1.overlayfs" not in effective(ONLY_PODS)["disabled_plugins"]
