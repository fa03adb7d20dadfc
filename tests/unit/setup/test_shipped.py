"""The files that a set-up installs reach an installed daemon, from the one place where they are kept."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

import pytest

from cri_shim.setup import shipped

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy/systemd"


def build_hook(monkeypatch):
    """The build hook of this project, without hatchling and without protoc."""
    interface = types.ModuleType("hatchling.builders.hooks.plugin.interface")
    vars(interface)["BuildHookInterface"] = object
    for name in ("hatchling", "hatchling.builders", "hatchling.builders.hooks", "hatchling.builders.hooks.plugin"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, interface.__name__, interface)
    spec = importlib.util.spec_from_file_location("compile_proto", ROOT / "proto/compile.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "compile_all", lambda _: None)
    hook = module.CompileProto()
    hook.root, hook.target_name = str(ROOT), "wheel"
    return hook


@pytest.mark.parametrize(
    ("version", "included"), [("standard", {str(DEPLOY): "cri_shim/setup/files"}), ("editable", {})]
)
def test_a_wheel_has_the_files_of_deploy(monkeypatch, version, included):
    """An editable installation has none, because a copy would be out of date soon."""
    data: dict[str, dict[str, str]] = {"force_include": {}}
    build_hook(monkeypatch).initialize(version, data)
    assert data["force_include"] == included


@pytest.mark.parametrize("name", [str(file.relative_to(DEPLOY)) for file in DEPLOY.rglob("*.*") if file.is_file()])
def test_a_checkout_reads_deploy(name):
    """Each of the files."""
    assert shipped.shipped(name) == (DEPLOY / name).read_text()


def test_an_installed_daemon_reads_its_package(monkeypatch, tmp_path):
    """There is no deploy/ beside it."""
    (tmp_path / "files/kubelet.service.d").mkdir(parents=True)
    (tmp_path / "files/kubelet.service.d/a.conf").write_text("installed\n")
    monkeypatch.setattr(shipped, "files", lambda _: tmp_path)
    assert shipped.shipped("kubelet.service.d/a.conf") == "installed\n"
