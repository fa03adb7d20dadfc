"""Which module imports which, read from the syntax trees.

An import for type checkers alone counts as well: two files that can only be understood together are one file. So does
an import inside a function, which delays a circle and does not end it.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checks.repository import in_packages, module_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from checks.repository import Repository


@dataclass(frozen=True, slots=True, order=True)
class Import:
    """One module imports another, at a line of its file. Both are modules of this repository."""

    importer: str
    imported: str
    path: str
    line: int


def read_imports(repository: Repository) -> list[Import]:
    """Return all imports between modules of the packages, in the order of their places."""
    paths = [path for path in repository.python if in_packages(path)]
    modules = {module_name(path) for path in paths}
    imports = set()
    for path in paths:
        importer = module_name(path)
        package = importer if path.endswith("/__init__.py") else importer.rpartition(".")[0]
        for names, line in _imported_names(repository.tree(path), package):
            imported = next((name for name in names if name in modules), importer)
            if imported != importer:
                imports.add(Import(importer, imported, path, line))
    return sorted(imports, key=lambda each: (each.path, each.line, each.imported))


def _imported_names(tree: ast.Module, package: str) -> Iterator[tuple[list[str], int]]:
    """Yield what each import may mean: a module of that name, or else the module that defines the name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield [alias.name], node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            for alias in node.names:
                yield [f"{base}.{alias.name}", base], node.lineno


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parents = package.split(".")
    above = parents[: len(parents) - node.level + 1]
    return ".".join([*above, node.module] if node.module else above)
