"""Make the virtual environment of the package: for Debian's Python, with no path of the machine that builds it.

It is laid out as it will be on the node, where it needs no pip. pip only unpacks wheels into it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

PLACE: Final = "/usr/lib/cri-shim"
"""Where the environment is on a node."""
PYTHON: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"
_NOT_ON_A_NODE: Final = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
"""Records of pip, which is not there to read them; the first has checksums of what is changed here."""


class NotDebiansPythonError(RuntimeError):
    """The environment would be bound to a Python that no package provides."""


def python_dependency() -> str:
    """Return what the package depends on: the Python that its libraries are for; raises for one that is no package."""
    if sys.base_prefix != "/usr":
        raise NotDebiansPythonError(f"the package needs Debian's Python, not the one in {sys.base_prefix}")
    major, minor = sys.version_info[:2]
    return f"python3 (>= {major}.{minor}), python3 (<< {major}.{minor + 1})"


def make_environment(place: Path, wheels: Path) -> None:
    """Install the program from a directory of wheels, with its extras."""
    programs, packages = place / "bin", place / "lib" / PYTHON / "site-packages"
    programs.mkdir(parents=True)
    packages.mkdir(parents=True)
    (programs / "python3").symlink_to(f"/usr/bin/{PYTHON}")
    (place / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    options = ("--no-index", "--no-compile", "--no-warn-script-location", "--find-links", str(wheels))
    interpreter = str(programs / "python3")
    _run(sys.executable, "-m", "pip", "--python", interpreter, "install", "--quiet", *options, "cri-shim[otel,socks]")
    for program in programs.iterdir():
        if program.name not in {"python3", "cri-shim"}:
            program.unlink()
    _relocate(programs / "cri-shim")
    for record in packages.glob("*.dist-info/*"):
        if record.name in _NOT_ON_A_NODE:
            record.unlink()
    for file in packages.rglob("*"):
        if file.is_file():
            file.chmod(0o644)  # wheels may have modules that are marked as programs
    _compile(place, interpreter)


def _relocate(program: Path) -> None:
    """Let a program begin with the interpreter as it is named on the node."""
    _, _, rest = program.read_text().partition("\n")
    program.write_text(f"#!{PLACE}/bin/python3\n{rest}")


def _compile(place: Path, interpreter: str) -> None:
    """Compile for commands that an administrator runs, so that root leaves no bytecode of its own among the files.

    The bytecode is taken as it is, because dpkg replaces it together with its source. What has it depend on the hash
    seed is the order of sets.
    """
    arguments = ("-q", "-f", "--invalidation-mode", "unchecked-hash", "-s", str(place), "-p", PLACE)
    _run(interpreter, "-m", "compileall", *arguments, str(place / "lib"), PYTHONHASHSEED="0")


def _run(*command: str, **variables: str) -> None:
    quiet = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_TARGET"))}
    subprocess.run(command, env={**quiet, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **variables}, check=True)
