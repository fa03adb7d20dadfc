"""Join the files of a configuration as containerd does, and keep where each value came from.

Outside of ``plugins``, lists are joined and a later value wins unless it is empty. Inside, the two lines of containerd
differ: 1.x replaces a plugin's whole table by the later file's, and 2.x merges the tables key by key. Source:
``mergeConfig`` of containerd, compared with what ``containerd config dump`` prints of both lines.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cri_shim.config.containerd.files import File
    from cri_shim.config.lines import Path

_BY_KEY: Final = frozenset({"proxy_plugins", "stream_processors", "timeouts"})
"""Tables at the top whose entries are replaced as a whole."""

_GRPC: Final = "io.containerd.grpc.v1."
_V1_NAMES: Final = {
    "cgroups": "io.containerd.monitor.v1.cgroups",
    "linux": "io.containerd.runtime.v1.linux",
    "scheduler": "io.containerd.gc.v1.scheduler",
    "bolt": "io.containerd.metadata.v1.bolt",
    "task": "io.containerd.runtime.v2.task",
    "opt": "io.containerd.internal.v1.opt",
    "restart": "io.containerd.internal.v1.restart",
    "tracing": "io.containerd.internal.v1.tracing",
    "otlp": "io.containerd.tracing.processor.v1.otlp",
    "tasks-service": "io.containerd.service.v1.tasks-service",
    "diff-service": "io.containerd.service.v1.diff-service",
    **{
        name: f"io.containerd.snapshotter.v1.{name}"
        for name in ("aufs", "btrfs", "devmapper", "native", "overlayfs", "zfs")
    },
}
"""Short names of plugins in files of version 1 that are not of the kind grpc (``v1MigratePluginName``)."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value stands: the file, its line, and the path of the key as the file has it."""

    file: str
    line: int
    path: Path


@dataclass(slots=True)
class Merged:
    """The joined document, with plugins under their full names."""

    version: int
    document: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, Origin] = field(default_factory=dict)


def merge(files: Sequence[File], line: int) -> Merged:
    """Join the files as containerd ``line``.x does: 1 or 2."""
    merged = Merged(max((file.version for file in files[:1]), default=0) or 1)
    for file in files:
        # The last file that says a version decides, as in containerd.
        merged.version = file.version or merged.version
        short = file.version < 2
        for key, value in file.document.items():
            if key == "plugins" and isinstance(value, dict):
                for name, plugin in value.items():
                    full = _full_name(name) if short else name
                    _merge_plugin(merged, file, (full, name), plugin, whole=line == 1)
            else:
                _merge_top(merged, file, key, value)
    return merged


def _full_name(name: str) -> str:
    return name if "." in name else _V1_NAMES.get(name, _GRPC + name)


def _merge_plugin(merged: Merged, file: File, names: tuple[str, str], plugin: Any, *, whole: bool) -> None:
    plugins = merged.document.get("plugins")
    if not isinstance(plugins, dict):
        plugins = merged.document["plugins"] = {}
    here, there = ("plugins", names[0]), ("plugins", names[1])
    if whole or not isinstance(plugin, dict) or not isinstance(plugins.get(names[0]), dict):
        _forget(merged, here)
        plugins[names[0]] = {}
    if isinstance(plugin, dict):
        _merge_table(merged, file, (plugins[names[0]], here), (plugin, there))
    else:
        plugins[names[0]] = plugin
    merged.origins[here] = _origin(file, there)


def _merge_table(
    merged: Merged, file: File, into: tuple[dict[str, Any], Path], given: tuple[dict[str, Any], Path]
) -> None:
    """Take over every key; only tables are merged further down."""
    for key, value in given[0].items():
        here, there = (*into[1], key), (*given[1], key)
        merged.origins[here] = _origin(file, there)
        if isinstance(value, dict):
            if not isinstance(into[0].get(key), dict):
                into[0][key] = {}
            _merge_table(merged, file, (into[0][key], here), (value, there))
        else:
            _forget(merged, here)
            merged.origins[here] = _origin(file, there)
            into[0][key] = value


def _merge_top(merged: Merged, file: File, key: str, value: Any) -> None:
    present = merged.document.get(key)
    if isinstance(value, dict):
        table = merged.document.setdefault(key, {}) if isinstance(present, dict) or present is None else {}
        merged.document[key] = table
        merged.origins.setdefault((key,), _origin(file, (key,)))
        for name, each in value.items():
            if key in _BY_KEY or each not in (0, "", [], False) or name not in table:
                table[name] = each
                merged.origins[(key, name)] = _origin(file, (key, name))
    elif isinstance(value, list) and isinstance(present, list):
        present += [each for each in value if each not in present]
    elif value not in (0, "", False) or present is None:
        merged.document[key] = list(value) if isinstance(value, list) else value
        merged.origins[(key,)] = _origin(file, (key,))


def _forget(merged: Merged, path: Path) -> None:
    for each in [each for each in merged.origins if each[: len(path)] == path]:
        del merged.origins[each]


def _origin(file: File, path: Path) -> Origin:
    line = next((file.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in file.lines), 0)
    return Origin(file.name, line, path)
