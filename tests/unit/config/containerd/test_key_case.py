"""Keys in another case, as `containerd config dump` of 1.6 and 2.1 shows that they are read."""

from __future__ import annotations

import pytest

from cri_shim import cli
from cri_shim.config import parse
from cri_shim.config.containerd.key_case import spelling

CRI = 'plugins."io.containerd.grpc.v1.cri"'
IMAGES = 'plugins."io.containerd.cri.v1.images"'
RUNTIME = 'plugins."io.containerd.cri.v1.runtime"'


@pytest.fixture
def run(tmp_path, capsys):
    """Import a text; the settings, and what was said beside them."""

    def command(text: str, *flags: str):
        file = tmp_path / "config.toml"
        file.write_text(text)
        assert cli.main(["config", "import", str(file), *flags]) == 0
        out, err = capsys.readouterr()
        return parse(out), err.replace(str(tmp_path), "DIR")

    return command


@pytest.mark.parametrize(
    ("key", "present", "one", "two"),
    [
        ("root", ["Root"], "", "Root"),
        ("root", ["ROOT"], "ROOT", "ROOT"),
        ("root", ["root", "ROOT"], "root", "ROOT"),
        ("SystemdCgroup", ["systemdcgroup"], "systemdcgroup", "systemdcgroup"),
        ("SystemdCgroup", ["systemdCgroup"], "systemdCgroup", "systemdCgroup"),
        ("SystemdCgroup", ["SYSTEMDCGROUP"], "SYSTEMDCGROUP", "SYSTEMDCGROUP"),
        ("SystemdCgroup", ["systemdcgroup", "SystemdCgroup"], "SystemdCgroup", "SystemdCgroup"),
        ("SystemdCgroup", ["Systemdcgroup"], "", "Systemdcgroup"),
        ("root", ["state"], "", ""),
    ],
)
def test_each_line_takes_other_spellings(key, present, one, two):
    """Of 1.x the most usual one, of 2.x the last."""
    assert (spelling(key, present, 1), spelling(key, present, 2)) == (one, two)


def test_upper_case_of_version_2(run):
    """Every key of the file is read, by either line."""
    text = f"""
VERSION = 2
[GRPC]
  ADDRESS = "/run/x/c.sock"
[{CRI}.CONTAINERD.RUNTIMES.Foo]
  RUNTIME_TYPE = "io.containerd.runc.v2"
  [{CRI}.CONTAINERD.RUNTIMES.Foo.OPTIONS]
    systemdcgroup = true
    BINARYNAME = "other-runc"
"""
    for flags in ([], ["--containerd", "2"]):
        config, err = run(text, *flags)
        assert config.containerd.address == "/run/x/c.sock"
        handler = config.runtime_handler("Foo")
        assert handler.options.systemd_cgroup
        assert handler.options.binary_name == "other-runc"
        assert "unknown" not in err


def test_any_case_of_version_3(run):
    """containerd 2.x alone reads this version; what is not a key but a name stays as it is."""
    config, err = run(f"""
Version = 3
[{IMAGES}]
  snapshotter = "overlayfs"
  SNAPSHOTTER = "native"
  [{IMAGES}.Pinned_Images]
    Sandbox = "p:1"
[{RUNTIME}.Containerd.Runtimes.Foo]
  Runtime_Type = "io.containerd.runc.v2"
  [{RUNTIME}.Containerd.Runtimes.Foo.Options]
    Systemdcgroup = true
""")
    assert config.runtime_handler("Foo").options.systemd_cgroup
    assert config.containerd.snapshotter == "overlayfs"
    assert "config.toml:5: plugins" in err.replace("DIR/", "")
    assert "SNAPSHOTTER" in err
    assert config.image.sandbox_image != "p:1"


def test_a_mixed_case_is_nothing_to_1x(run):
    """2.x reads it where it does not have to move it; the command says that the two differ."""
    text = f"version = 2\n[{CRI}]\nEnable_Selinux = true\nSandbox_Image = 'x:1'\n"
    config, err = run(text)
    assert not config.runtime.enable_selinux
    assert "Enable_Selinux" in err
    assert "`--containerd 2` prints that for 2.x" in err
    config, err = run(text, "--containerd", "2")
    assert config.runtime.enable_selinux
    assert config.image.sandbox_image != "x:1"
    assert "Sandbox_Image" in err


def test_imports_in_another_case_are_read_by_2x(tmp_path, capsys):
    """1.x would not see the second file."""
    (tmp_path / "a.toml").write_text("version = 2\nImports = ['b.toml']\n")
    (tmp_path / "b.toml").write_text("[grpc]\naddress = '/x'\n")
    assert cli.main(["config", "import", "-q", str(tmp_path / "a.toml")]) == 0
    assert "/x" not in capsys.readouterr().out
    assert cli.main(["config", "import", "-q", "--containerd", "2", str(tmp_path / "a.toml")]) == 0
    assert '"/x"' in capsys.readouterr().out


def test_a_file_in_upper_case_is_recognised(tmp_path, capsys):
    """`config check` says whose it is."""
    (tmp_path / "a.toml").write_text("VERSION = 2\nREQUIRED_PLUGINS = []\n")
    assert cli.main(["config", "check", str(tmp_path / "a.toml")]) == 1
    assert "this is a configuration of containerd" in capsys.readouterr().err
