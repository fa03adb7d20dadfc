"""Make a package of another version from one that is built, to try upgrades: only its version differs."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

import cri_shim
from lab.packaging.environment import PLACE


def another_version(package: Path, version: str, target: Path) -> Path:
    """Write the package to the directory ``target``; the program in it says the new version, too."""
    with tempfile.TemporaryDirectory(prefix="another-version-", dir=target) as name:
        tree = Path(name, "tree")
        subprocess.run(["dpkg-deb", "--raw-extract", str(package), str(tree)], check=True)
        _replace(tree / "DEBIAN/control", r"^(Version: )[^-\n]+", version)
        (module,) = (tree / PLACE.lstrip("/")).glob("lib/*/site-packages/cri_shim/__init__.py")
        _replace(module, r'^(__version__ = ")[^"]+', version)
        (compiled,) = module.parent.glob("__pycache__/__init__.*.pyc")
        compiled.unlink()
        done = subprocess.run(
            ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", str(tree), str(target)],
            capture_output=True,
            text=True,
            check=True,
        )
    (built,) = target.glob(f"cri-shim_{version}-*.deb")
    if built == package or f"{version}-" not in done.stdout:
        raise ValueError(f"{version} is the version of the package: {cri_shim.__version__}")
    return built


def _replace(file: Path, pattern: str, version: str) -> None:
    text, count = re.subn(pattern, rf"\g<1>{version}", file.read_text(), flags=re.MULTILINE)
    if count != 1:
        raise ValueError(f"{file} does not have one line like {pattern}")
    file.write_text(text)
