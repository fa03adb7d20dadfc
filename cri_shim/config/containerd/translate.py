"""Go through containerd's joined configuration and make each value one of this daemon's, or say why not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cri_shim.config.containerd import whole_tables
from cri_shim.config.containerd.handler_keys import RUNC_V2, SHIM_V1
from cri_shim.config.containerd.keys import CRI, IMAGES, KEYS, RUNTIME, SERVER_1X, TRANSFER, VERIFIER
from cri_shim.config.containerd.notes import Note, Why, shown
from cri_shim.config.containerd.own_keys import own_value
from cri_shim.config.containerd.rule import WANTED
from cri_shim.config.errors import ConfigError, Problem
from cri_shim.config.read import dotted
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cri_shim.config.containerd.merge import Merged, Origin
    from cri_shim.config.containerd.registries import HostsFile
    from cri_shim.config.containerd.rule import Own, Rule
    from cri_shim.config.lines import Path

_LAST: Final = (CRI[1], IMAGES[1], RUNTIME[1])
"""The plugins whose keys are taken last, so that the newer place of a key wins over its older one."""
_READ: Final = {path[:2] for path in KEYS if path[0] == "plugins"}
_CRI_PLUGINS: Final = frozenset(
    {"cri", CRI[1], IMAGES[1], RUNTIME[1], "io.containerd.podsandbox.controller.v1.podsandbox"}
)
"""The parts of containerd's CRI plugin, which is off beside this daemon."""
_V3_PLACE: Final = "containerd does not read it here in a file of version 3 or later, where it has another place"


@dataclass(frozen=True, slots=True)
class Taken:
    """A value that was taken over, in the form of this daemon's file."""

    value: Any
    origin: Origin
    is_default: bool
    was: str = ""
    """The value there, if it is another here."""


@dataclass(slots=True)
class Translation:
    """What became of a configuration."""

    version: int
    values: dict[Own, Taken] = field(default_factory=dict)
    """By the path in this daemon's configuration; those that equal its default are included."""
    handlers: dict[str, Origin] = field(default_factory=dict)
    """Runtime handlers that the configuration names."""
    hosts: list[HostsFile] = field(default_factory=list)
    """Files that say what the inline registry tables said."""
    notes: list[Note] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def changes(self) -> dict[Own, Taken]:
        """Return the values that are not this daemon's defaults."""
        return {path: taken for path, taken in self.values.items() if not taken.is_default}


def translate(merged: Merged) -> Translation:
    """Return what the configuration means for this daemon.

    Raises ConfigError when a value has a type with which containerd does not start either.
    """
    walk = _Walk(merged)
    walk.top()
    if walk.out.problems:
        raise ConfigError(walk.out.problems)
    walk.check_together()
    return walk.out


class _Walk:
    def __init__(self, merged: Merged) -> None:
        self._merged = merged
        self.out = Translation(merged.version)

    def top(self) -> None:
        document = self._merged.document
        for key, value in document.items():
            if key == "plugins" and isinstance(value, dict):
                self._plugins(value)
            elif key == "plugins":
                self._wrong((key,), "must be a table")
            elif key == "grpc" and isinstance(value, dict) and "address" in value:
                self._key(("grpc", "address"), value["address"], {})
            elif key == "required_plugins" and (needed := _names_in(value) & _CRI_PLUGINS):
                without = f"containerd does not start without {', '.join(sorted(needed))} then: take it out of the list"
                self._note((key,), Why.LOST, f"{without}, because cri-shim takes the place of that plugin", value)
            elif key not in {"version", "imports"}:
                self._note((key,), Why.CONTAINERD, _top_reason(key, value))
        if VERIFIER[1] in _disabled(document):
            self.take(("image", "verifier", "bin_dir"), ("disabled_plugins",), "", shown(VERIFIER[1]))

    def _plugins(self, plugins: dict[str, Any]) -> None:
        for name in sorted(plugins, key=lambda name: (name in _LAST, name)):
            path = ("plugins", name)
            if not isinstance(plugins[name], dict):
                self._wrong(path, "must be a table")
            elif path == TRANSFER:
                continue
            elif path in _READ:
                self._table(path, plugins[name], {})
            elif (reason := whole_tables.plugin_reason(name, plugins[name], self.out.version)) is not None:
                self._note(path, Why.LOST, reason)
            else:
                self._note(path, Why.CONTAINERD, "")
        transfer = plugins.get(TRANSFER[1])
        # containerd's CRI plugin pulls by this service unless its own key says something else than the default.
        if isinstance(transfer, dict):
            present = self.out.values.get(("image", "max_concurrent_downloads"))
            if self.out.version > 2 and (present is None or present.value == 3):
                self._table(TRANSFER, transfer, {})
            else:
                self._note(TRANSFER, Why.CONTAINERD, "")

    def _table(self, path: Path, table: dict[str, Any], names: dict[str, str]) -> None:
        """Take every key below ``path``; ``names`` has the handler that the path leads through, if any."""
        for key, value in table.items():
            self._key((*path, key), value, names)

    def _key(self, path: Path, value: Any, names: dict[str, str]) -> None:
        pattern = _pattern(path)
        rule = KEYS.get(pattern)
        if self._misplaced(pattern):
            self._note(path, Why.LOST, _V3_PLACE)
        elif rule is not None:
            self._rule(rule, path, value, names)
        elif pattern[-2:] == ("runtimes", "*"):
            self._handler(path, value, str(path[-1]))
        elif whole_tables.take(self, pattern, path, value):
            pass
        elif isinstance(value, dict) and _leads_on(pattern):
            self._table(path, value, names)
        elif _leads_on(pattern):
            self._wrong(path, "must be a table")
        elif path[:2] not in {CRI, IMAGES, RUNTIME}:
            self._note(path, Why.CONTAINERD, "")
        else:
            self._note(path, Why.LOST if value not in (0, "", False, []) else Why.DEFAULT, "is unknown to cri-shim")

    def _misplaced(self, pattern: Own) -> bool:
        return self.out.version > 2 and pattern[:2] == CRI and pattern in KEYS and pattern not in SERVER_1X

    def _rule(self, rule: Rule, path: Path, value: Any, names: dict[str, str]) -> None:
        if not rule.fits(value):
            self._wrong(path, f"is {shown(value)}, must be {WANTED[rule.kind]}")
            return
        if not rule.to:
            why = Why.DEFAULT if rule.loses_nothing(value) else Why.LOST
            self._note(path, why, rule.reason if rule.harmless or why is Why.LOST else "", value)
            return
        to = tuple(names.get(part, part) for part in rule.to)
        here = rule.convert(value) if rule.convert is not None else value
        self.take(to, path, here, "" if here == value else shown(value))

    def take(self, to: Own, path: Path, value: Any, was: str = "") -> None:
        """Take ``value`` for the key ``to`` if this daemon accepts it there; else note why not."""
        own = own_value(to, value)
        if isinstance(own, str):
            self._note(path, Why.LOST, own)
        else:
            self.out.values[to] = Taken(own.value, self._merged.origins[path], own.is_default, was)
            if own.is_default and not (was and to[-1] == "runtime_type"):  # which has a note of its own
                self._note(path, Why.DEFAULT, "", was or value)

    def note_lost(self, path: Path, reason: str) -> None:
        """Note that what is at ``path`` was not taken over."""
        self._note(path, Why.LOST, reason)

    def note_default(self, path: Path) -> None:
        """Note that nothing is lost with what is at ``path``."""
        self._note(path, Why.DEFAULT, "")

    def wrong(self, path: Path, what: str) -> None:
        """Note that containerd does not start with what is at ``path``."""
        self._wrong(path, what)

    def add_hosts(self, files: list[HostsFile]) -> None:
        """Keep files that say what an inline table said."""
        self.out.hosts += files

    def handler(self, path: Path, value: Any, name: str) -> None:
        """Take a table of a handler as the handler ``name``."""
        self._handler(path, value, name)

    def _handler(self, path: Path, value: Any, name: str) -> None:
        if not isinstance(value, dict):
            self._wrong(path, "must be a table")
            return
        self.out.handlers[name] = self._merged.origins[path]
        kind = value.get("runtime_type", "")
        plugin = self._merged.document["plugins"].get(CRI[1])
        if kind == SHIM_V1[0] and isinstance(plugin, dict) and plugin.get("systemd_cgroup") is True:
            self.take(
                ("containerd", "runtimes", name, "options", "SystemdCgroup"), (*CRI, "systemd_cgroup"), value=True
            )
        for key, each in value.items():
            here = (*path, key)
            pattern = (*CRI, "containerd", "runtimes", "*", key)
            if key == "options" and isinstance(each, dict):
                self._options(here, each, name, str(kind))
            elif (rule := KEYS.get(pattern)) is not None:
                self._rule(rule, here, each, {"*": name})
            elif key == "options":
                self._wrong(here, "must be a table")
            else:
                self._note(here, Why.LOST, "is unknown to cri-shim")
        if kind in SHIM_V1:
            self._note((*path, "runtime_type"), Why.CHANGED, f"the shim {RUNC_V2} takes the place of {kind}")

    def _options(self, path: Path, options: dict[str, Any], name: str, kind: str) -> None:
        for key, value in options.items():
            rule = KEYS.get((*CRI, "containerd", "runtimes", "*", "options", key))
            here = (*path, key)
            if kind not in {"", *SHIM_V1} and not kind.startswith("io.containerd.runc."):
                why = Why.DEFAULT if value in (0, "", False, []) else Why.LOST
                self._note(here, why, f"only the runc shim gets options; {escaped(kind)} reads its own configuration")
            elif rule is not None:
                self._rule(rule, here, value, {"*": name})
            else:
                self._note(here, Why.LOST, "is unknown to cri-shim", value)

    def check_together(self) -> None:
        """Leave out values that this daemon refuses together, as containerd does too."""
        values = self.out.values
        name = values.get(("containerd", "default_runtime_name"))
        if name is not None and name.value not in {"runc", *self.out.handlers}:
            self._drop(("containerd", "default_runtime_name"), f"no runtime {shown(name.value)} is configured")
        pair = [("stream", "x509_key_pair_streaming", key) for key in ("tls_cert_file", "tls_key_file")]
        present = [path for path in pair if path in values and values[path].value]
        if len(present) == 1:
            self._drop(present[0], "certificate and key go together, and the other one is missing")
        one, many = ("cni", "bin_dir"), ("cni", "bin_dirs")
        if one in values and values[one].value and many in values:
            # As in containerd: bin_dirs yields while it has its default, and both together are refused.
            if list(values[many].value) == ["/opt/cni/bin"]:
                del values[many]
            else:
                self._drop(one, "bin_dirs is set beside it")

        folders = ("image", "registry", "config_path")
        if folders in values and not values[folders].value and (self.out.hosts or self.out.version > 2):
            reason = "empty: hosts.toml files are looked for where cri-shim and containerd 2.2 look by default"
            self._drop(folders, reason, Why.DEFAULT)

    def _drop(self, to: Own, reason: str, why: Why = Why.LOST) -> None:
        self.out.notes.append(Note(self.out.values.pop(to).origin, why, reason))

    def _note(self, path: Path, why: Why, reason: str, value: Any = None) -> None:
        origin = self._merged.origins.get(path) or next(
            self._merged.origins[path[:n]] for n in range(len(path) - 1, 0, -1) if path[:n] in self._merged.origins
        )
        self.out.notes.append(Note(origin, why, reason, "" if value is None else shown(value)))

    def _wrong(self, path: Path, what: str) -> None:
        origin = self._merged.origins[path]
        self.out.problems.append(Problem(escaped(origin.file), origin.line, escaped(dotted(origin.path)), what))


def _pattern(path: Path) -> Own:
    parts = tuple(map(str, path))
    if len(parts) > 4 and parts[3] == "runtimes" and parts[2] == "containerd":
        return (*parts[:4], "*", *parts[5:])
    return parts


_TABLES: Final = {path[:n] for path in KEYS for n in range(1, len(path))}


def _leads_on(pattern: Own) -> bool:
    return pattern in _TABLES


def _top_reason(key: str, value: Any) -> str:
    if key in {"root", "state"}:
        return f"containerd's own directory; cri-shim has a directory of its own for its {key}"
    if key == "oom_score":
        return "containerd's own score; that of cri-shim is its oom_score"
    if {"cri", CRI[1]} & _disabled({key: value}):
        return "the CRI plugin is off, as it should be beside cri-shim"
    return ""


def _disabled(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the plugins that containerd does not load."""
    return _names_in(document.get("disabled_plugins"))


def _names_in(value: Any) -> frozenset[str]:
    return frozenset(map(str, value)) if isinstance(value, list) else frozenset()
