"""Write what was taken over as a file for this daemon, each key with the place that it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any

from cri_shim.config.containerd.notes import where
from cri_shim.config.containerd.registries import joined
from cri_shim.config.key import keys_of
from cri_shim.config.read import dotted
from cri_shim.config.render import scalar
from cri_shim.config.schema import Config, RuntimeHandler
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cri_shim.config.containerd.rule import Own
    from cri_shim.config.containerd.translate import Translation
    from cri_shim.config.key import Key

_CERTS = "/etc/containerd/certs.d"


def render(translation: Translation, files: Sequence[str], *, everything: bool) -> str:
    """Return the file; ``everything`` includes the keys that have their defaults."""
    head = [
        f"# Configuration of cri-shim, translated from containerd's (version {translation.version}):",
        *(f"#   {escaped(name)}" for name in files),
        "# Check it with: cri-shim config check FILE",
    ]
    return "\n".join([*head, *_Writer(translation, everything=everything).section(Config(), ())]).rstrip() + "\n"


class _Writer:
    def __init__(self, translation: Translation, *, everything: bool) -> None:
        self._translation = translation
        self._everything = everything

    def section(self, section: Any, path: Own) -> list[str]:
        """Return the lines of a section: its keys, and then its tables, each under its heading."""
        lines: list[str] = []
        tables: list[str] = []
        for key in keys_of(type(section)):
            here = (*path, key.name)
            default = getattr(section, key.attribute)
            if isinstance(default, Mapping):
                tables += self._handlers(here)
            elif is_dataclass(default):
                tables += self._table(self.section(default, here), here)
            else:
                lines += self._key(key, default, here)
        if path == ("image", "registry"):
            lines += self._hosts()
        return lines + tables

    def _table(self, lines: list[str], path: Own) -> list[str]:
        if not lines:
            return []
        # A table whose first line is the heading of a table in it needs no heading of its own.
        return lines if lines[0] == "" else ["", f"[{dotted(path)}]", *lines]

    def _handlers(self, path: Own) -> list[str]:
        named = self._translation.handlers
        lines: list[str] = []
        for name in dict.fromkeys(["runc", *named]):
            body = self.section(RuntimeHandler(name=name), (*path, name))
            if body and body[0] != "":
                lines += ["", f"[{dotted((*path, name))}]", *body]
            elif body:
                lines += body
            elif name != "runc":
                lines += ["", f"# {where(named[name])}", f"[{dotted((*path, name))}]"]
        return lines

    def _key(self, key: Key, default: Any, path: Own) -> list[str]:
        taken = self._translation.values.get(path)
        handler_of_its_own = path[:2] == ("containerd", "runtimes") and path[2] != "runc"
        if taken is not None and (self._everything or not taken.is_default):
            was = f" = {taken.was}" if taken.was else ""
            return [f"# {where(taken.origin)}{was}", f"{key.name} = {scalar(key, taken.value)}"]
        if taken is not None and handler_of_its_own and key.name == "runtime_type":
            return [f"# {where(taken.origin)}", f"{key.name} = {scalar(key, taken.value)}"]
        if self._everything and not (path == ("cni", "bin_dirs") and self._one_directory()):
            return ["# default", f"{key.name} = {scalar(key, default)}"]
        return []

    def _one_directory(self) -> bool:
        taken = self._translation.values.get(("cni", "bin_dir"))
        return taken is not None and bool(taken.value)

    def _hosts(self) -> list[str]:
        lines: list[str] = []
        for file in joined(self._translation.hosts):
            lines += ["#", f"# {_CERTS}/{escaped(file.registry)}/hosts.toml would be:"]
            lines += [f"#   {escaped(line, 1024)}".rstrip() for line in file.lines()]
        return lines
