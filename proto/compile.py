"""Compile proto/ into Python packages when the project is built or installed.

The files below proto/ are organised by protobuf package. Code for containerd's files goes to containerd_client/api/,
code for the CRI's to cri_shim/api/. protoc writes absolute imports that start at its own root (``from containerd.types
import types_pb2``). This module rewrites them to start at the package that contains the code, so that there is no
top-level module ``containerd`` or ``runtime``. Hatchling runs this as its build hook, for wheels and for editable
installs, so ``make venv`` compiles what has changed; ``python proto/compile.py`` does it by hand where hatchling is
installed.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HOMES = {
    "containerd": "containerd_client",
    "io": "containerd_client",
    "runtimeoptions": "containerd_client",
    "runtime": "cri_shim",
}
SHIPPED = "deploy/systemd"
SHIPPED_TO = "cri_shim/setup/files"

_ROOTS = "|".join(HOMES)
_FROM_IMPORT = re.compile(rf"^from ({_ROOTS})((?:\.\w+)*) import (\w+_pb2)", re.MULTILINE)
_DOTTED = re.compile(rf"(?<![\w.])({_ROOTS})((?:\.\w+)*\.\w+_pb2)\b")


class CompileProto(BuildHookInterface):  # type: ignore[type-arg, misc, unused-ignore]
    """The build hook: generate the code, and put the files that ``cri-shim setup`` installs into a wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Generate the code before hatchling collects files.

        The files have one place, deploy/. An editable installation reads them there (cri_shim/setup/shipped.py).
        """
        if self.target_name == "wheel":
            compile_all(Path(self.root))
            if version == "standard":
                build_data["force_include"][str(Path(self.root, SHIPPED))] = SHIPPED_TO


def compile_all(root: Path) -> None:
    """Generate both ``api`` packages below ``root`` again; raises SystemExit if protoc fails, after its messages."""
    from grpc_tools import protoc  # noqa: PLC0415 - only the build environment has it

    sources = sorted(str(path.relative_to(root / "proto")) for path in (root / "proto").rglob("*.proto"))
    with tempfile.TemporaryDirectory() as scratch:
        status = protoc.main(
            [
                "protoc",
                f"-I{root / 'proto'}",
                f"-I{files('grpc_tools') / '_proto'}",
                f"-I{_common_protos()}",
                f"--plugin=protoc-gen-mypy={_mypy_plugin()}",
                f"--python_out={scratch}",
                f"--mypy_out=quiet:{scratch}",
                *sources,
            ]
        )
        if status:
            raise SystemExit(f"protoc failed with status {status} on {root / 'proto'}")
        _install(Path(scratch), root)


def _common_protos() -> Path:
    """Return the folder below which googleapis-common-protos has ``google/rpc/status.proto``."""
    spec = find_spec("google.rpc.status_pb2")
    if spec is None or spec.origin is None:
        raise SystemExit("googleapis-common-protos is not installed; build with the requirements in pyproject.toml")
    return Path(spec.origin).parents[2]


def _mypy_plugin() -> str:
    """Return the path of the stub generator beside this interpreter or on PATH."""
    beside = Path(sys.executable).with_name("protoc-gen-mypy")
    program = str(beside) if beside.exists() else shutil.which("protoc-gen-mypy")
    if program is None:
        raise SystemExit("protoc-gen-mypy is not installed; build with the requirements in pyproject.toml")
    return program


def _install(generated: Path, root: Path) -> None:
    for home in sorted(set(HOMES.values())):
        api = root / home / "api"
        shutil.rmtree(api, ignore_errors=True)
        api.mkdir(parents=True)
    for source in sorted(generated.rglob("*_pb2.py*")):
        relative = source.relative_to(generated)
        api = root / HOMES[relative.parts[0]] / "api"
        target = api / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_rehome(source.read_text()))
        for package in [target.parent, *target.parent.parents]:
            (package / "__init__.py").touch()
            if package == api:
                break


def _rehome(code: str) -> str:
    code = _FROM_IMPORT.sub(lambda m: f"from {HOMES[m[1]]}.api.{m[1]}{m[2]} import {m[3]}", code)
    return _DOTTED.sub(lambda m: f"{HOMES[m[1]]}.api.{m[1]}{m[2]}", code)


if __name__ == "__main__":
    compile_all(Path(__file__).resolve().parent.parent)
