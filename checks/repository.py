"""The files of the repository that the rules judge."""

from __future__ import annotations

import ast
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

# The packages that people import or run. Tests are judged, too, but by fewer rules.
PACKAGES = ("cri_shim", "containerd_client", "untrusted", "lab", "checks")

# Hidden folders hold environments, caches and the data of a demo, but for these two.
SHOWN = (".ci", ".github")
BUILT = ("build", "dist", "results")
UNJUDGED = ("__pycache__", "node_modules")
GENERATED = ("cri_shim/api", "containerd_client/api")


@dataclass(frozen=True)
class Repository:
    """A checkout, without what is generated, installed or built in it."""

    root: Path
    _trees: dict[str, ast.Module] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def files(self) -> list[str]:
        """Return the paths of all files. Git is not asked: a file that is not yet added breaks a rule, too."""
        paths = []
        for folder, inner, files in os.walk(self.root):
            place = Path(folder).relative_to(self.root)
            inner[:] = [name for name in inner if not _is_foreign(place / name)]
            paths += [(place / name).as_posix() for name in files]
        return sorted(paths)

    @cached_property
    def python(self) -> list[str]:
        """Return the paths of all Python files."""
        return [name for name in self.files if name.endswith(".py")]

    def text(self, path: str) -> str:
        """Return what a file says."""
        return (self.root / path).read_text(encoding="utf-8", errors="replace")

    def tree(self, path: str) -> ast.Module:
        """Return the syntax tree of a Python file. It is parsed once for all rules."""
        if path not in self._trees:
            self._trees[path] = ast.parse(self.text(path), path)
        return self._trees[path]


def in_packages(path: str) -> bool:
    """Return whether a file belongs to one of the packages."""
    return path.split("/", 1)[0] in PACKAGES


def is_script(repository: Repository, path: str) -> bool:
    """Return whether a file without an extension starts as a script does."""
    if "." in path.rpartition("/")[2]:
        return False
    with (repository.root / path).open("rb") as file:
        return file.read(2) == b"#!"


def _is_foreign(folder: Path) -> bool:
    name = folder.name
    is_hidden = name.startswith(".") and name not in SHOWN
    is_made = name in UNJUDGED or name.endswith(".egg-info") or folder.as_posix() in (*BUILT, *GENERATED)
    return is_hidden or is_made


def module_name(path: str) -> str:
    """Return the dotted name under which a Python file is imported."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
