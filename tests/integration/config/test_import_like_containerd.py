"""What `config import` makes of a configuration is what containerd itself makes of it.

``containerd config dump`` prints what containerd has read, its defaults included. The translation of a configuration
and that of its dump have to agree about every key that the configuration sets.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from cri_shim.config import parse
from cri_shim.config.containerd.files import read_files
from cri_shim.config.containerd.merge import merge
from cri_shim.config.containerd.render import render
from cri_shim.config.containerd.translate import Translation, translate

if TYPE_CHECKING:
    from pathlib import Path

CRI = 'plugins."io.containerd.grpc.v1.cri"'
RUNTIME = 'plugins."io.containerd.cri.v1.runtime"'
IMAGES = 'plugins."io.containerd.cri.v1.images"'

# Each line of a file of version 2 or 3: table, key, values.
KEYS: dict[int, list[tuple[str, str, list[str]]]] = {
    2: [
        (CRI, "sandbox_image", ["'a/b:1'", "'c/d:2'"]),
        (CRI, "enable_selinux", ["true", "false"]),
        (CRI, "max_container_log_line_size", ["1", "0", "-1"]),
        (CRI, "stream_idle_timeout", ["'1h'", "'2h'"]),
        (CRI, "stats_collect_period", ["11", "12"]),
        (f"{CRI}.cni", "bin_dir", ["'/a'", "'/b'"]),
        (f"{CRI}.cni", "max_conf_num", ["0", "2"]),
        (f"{CRI}.containerd", "snapshotter", ["'native'", "'btrfs'"]),
        (f"{CRI}.containerd.runtimes.runc", "pod_annotations", ["['a']", "['b', 'c']", "[]"]),
        (f"{CRI}.containerd.runtimes.runc", "runtime_type", ["'io.containerd.runc.v2'"]),
        (f"{CRI}.containerd.runtimes.runc.options", "SystemdCgroup", ["true", "false"]),
        (f"{CRI}.containerd.runtimes.runc.options", "BinaryName", ["'crun'", "''"]),
        (f"{CRI}.registry", "config_path", ["'/certs'", "'/other'"]),
        ("grpc", "address", ["'/a.sock'", "'/b.sock'", "''"]),
        ("grpc", "uid", ["0", "1"]),
    ],
    3: [
        (f"{IMAGES}.pinned_images", "sandbox", ["'a/b:1'", "'c/d:2'"]),
        (IMAGES, "snapshotter", ["'native'", "'btrfs'"]),
        (IMAGES, "max_concurrent_downloads", ["4", "5"]),
        (f"{IMAGES}.registry", "config_path", ["'/certs'", "'/other'"]),
        (RUNTIME, "enable_selinux", ["true", "false"]),
        (RUNTIME, "cdi_spec_dirs", ["['/a']", "['/b', '/c']"]),
        (f"{RUNTIME}.cni", "conf_dir", ["'/a'", "'/b'"]),
        (f"{RUNTIME}.containerd.runtimes.runc", "cgroup_writable", ["true", "false"]),
        (f"{RUNTIME}.containerd.runtimes.runc.options", "Root", ["'/a'", "'/b'"]),
        (CRI, "stream_server_port", ["'1'", "'2'"]),
        ("grpc", "address", ["'/a.sock'", "'/b.sock'"]),
    ],
}


def some_text(choose: random.Random, version: int, *, says_version: bool) -> str:
    """Return a file with some of the keys."""
    tables: dict[str, list[str]] = {}
    for table, key, values in choose.sample(KEYS[version], choose.randint(1, len(KEYS[version]))):
        tables.setdefault(table, []).append(f"{key} = {choose.choice(values)}")
    head = [f"version = {version}"] if says_version else []
    return "\n".join([*head, *(f"[{table}]\n" + "\n".join(lines) for table, lines in tables.items())])


@pytest.fixture(autouse=True)
def _other_containerd(monkeypatch):
    """Take the containerd that CONTAINERD_BINARIES names, if it names one."""
    if binaries := os.environ.get("CONTAINERD_BINARIES"):
        monkeypatch.setenv("PATH", binaries, prepend=os.pathsep)


def dumped(path: Path) -> str:
    """Return what containerd read from a file, without the list of the files that it read."""
    done = subprocess.run(
        ["containerd", "-c", str(path), "config", "dump"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return re.sub(r"(?m)^imports = .*$", "", done.stdout)


def major_version() -> int:
    if shutil.which("containerd") is None:
        pytest.skip("containerd is not installed")
    said = subprocess.run(["containerd", "--version"], capture_output=True, text=True, check=True).stdout
    return 2 if " 2." in said or " v2." in said else 1


def settings(translation: Translation) -> Any:
    return parse(render(translation, [], everything=False))


@pytest.mark.parametrize("seed", range(12))
def test_a_configuration_and_its_dump_mean_the_same(tmp_path, seed):
    """With imports, in the line of containerd that is tested."""
    line = major_version()
    choose = random.Random(seed)
    version = 3 if line == 2 and seed % 2 else 2
    (tmp_path / "d").mkdir()
    # Early releases of 1.6 looked for a relative pattern in their working directory.
    imports = f'imports = ["{tmp_path}/d/*.toml", "last.toml"]\n'
    (tmp_path / "a.toml").write_text(imports + some_text(choose, version, says_version=True))
    (tmp_path / "last.toml").write_text(some_text(choose, version, says_version=False))
    for name in ("1", "2"):
        (tmp_path / "d" / f"{name}.toml").write_text(some_text(choose, version, says_version=name == "1"))
    ours = translate(merge(read_files(tmp_path / "a.toml"), line))
    (tmp_path / "dump.toml").write_text(dumped(tmp_path / "a.toml"))
    theirs = translate(merge(read_files(tmp_path / "dump.toml"), line))
    if line == 2 and ("cni", "bin_dir") in ours.values:  # containerd 2.x makes it a list
        assert settings(ours).cni.plugin_dirs == settings(theirs).cni.plugin_dirs
        del ours.values["cni", "bin_dir"]
    agreed = {path: taken.value for path, taken in ours.values.items()}
    # A key that only the dump has is a default of containerd's.
    assert agreed == {path: theirs.values[path].value for path in agreed if path in theirs.values}
    missing = agreed.keys() - theirs.values.keys()
    assert {path for path in missing if not ours.values[path].is_default} == set()


def test_a_file_of_version_1_means_what_containerd_reads_in_it(tmp_path):
    """Only 1.x reads its tables of the plugin."""
    if major_version() != 1:
        pytest.skip("containerd 2.x drops what a file without a version says about the CRI plugin")
    file = tmp_path / "a.toml"
    file.write_text("[plugins.cri]\nsandbox_image = 'a/b:1'\n[plugins.cri.cni]\nbin_dir = '/a'\n")
    (tmp_path / "dump.toml").write_text(dumped(file))
    ours, theirs = (translate(merge(read_files(each), 1)) for each in (file, tmp_path / "dump.toml"))
    assert {path: theirs.values[path].value for path in ours.values} == {
        ("image", "sandbox_image"): "a/b:1",
        ("cni", "bin_dir"): "/a",
    }


def test_the_default_of_this_containerd_loses_nothing(tmp_path):
    """No key of the plugin that runs here is unknown."""
    line = major_version()
    text = subprocess.run(["containerd", "config", "default"], capture_output=True, text=True, check=True).stdout
    (tmp_path / "a.toml").write_text(text)
    got = translate(merge(read_files(tmp_path / "a.toml"), line))
    assert [str(note) for note in got.notes if note.why == 0] == []
    assert settings(got).containerd.address == "/run/containerd/containerd.sock"
