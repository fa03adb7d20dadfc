"""`cri-shim config import` of what stands in the way on some nodes, and below another root."""

from __future__ import annotations

import pytest

from cri_shim import cli
from cri_shim.config import parse


@pytest.fixture
def said(tmp_path, capsys):
    """Import a text; what is said beside the result."""

    def command(text: str, *flags: str) -> str:
        file = tmp_path / "config.toml"
        file.write_text(text)
        assert cli.main(["config", "import", str(file), *flags]) == 0
        err: str = capsys.readouterr().err
        return err.replace(str(tmp_path), "DIR")

    return command


@pytest.mark.parametrize("name", ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime", "cri"])
def test_a_required_cri_plugin_is_in_the_way(said, name):
    """containerd does not start with a plugin that is required and off."""
    err = said(f'version = 2\nrequired_plugins = ["{name}"]\n', "-q")
    assert f"containerd does not start without {name} then: take it out of the list" in err
    assert "config.toml:2: required_plugins" in err


def test_other_required_plugins_are_containerds_own(said):
    """They stay required."""
    text = 'version = 2\nrequired_plugins = ["io.containerd.snapshotter.v1.overlayfs"]\n'
    assert "required_plugins" not in said(text, "-q")
    assert "required_plugins" in said(text).partition("unchanged in containerd")[2]


def test_a_newer_version_is_refused(tmp_path, capsys):
    """Its keys may have other places; a set-up, which moves no keys, takes it."""
    file = tmp_path / "config.toml"
    file.write_text("version = 5\n")
    assert cli.main(["config", "import", str(file)]) == 1
    said = f"{file}:1: version: is not a version that cri-shim knows, which are 1 to 4"
    assert said in capsys.readouterr().err


def test_the_files_of_another_root(tmp_path, capsys):
    """Of an image that is being built, for instance; nothing of this machine is read."""
    (tmp_path / "etc/containerd/conf.d").mkdir(parents=True)
    (tmp_path / "etc/containerd/config.toml").write_text("version = 2\nimports = ['/etc/containerd/conf.d/*.toml']\n")
    (tmp_path / "etc/containerd/conf.d/b.toml").write_text("[grpc]\naddress = '/x'\n")
    assert cli.main(["config", "import", "--root", str(tmp_path)]) == 0
    out, _ = capsys.readouterr()
    assert parse(out).containerd.address == "/x"
    assert "#   /etc/containerd/conf.d/b.toml\n" in out
