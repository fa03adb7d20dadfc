"""Network configurations: which files of the configuration directory are used, and what they say.

Source: the CNI specification, "Network configuration format"; the choice of files is go-cni's: `*.conf`, `*.conflist`
and `*.json` in lexical order, the first `max_conf_num` of them. Unlike go-cni, which loads nothing when one file is
broken, a broken file is passed over and its fault is kept for the status.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

_NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]*")
_NEWEST: Final = (1, 1, 0)
_SUFFIXES: Final = (".conf", ".conflist", ".json")


class ConfError(ValueError):
    """A network configuration cannot be used; the text says why."""


class Plugin(Struct, frozen=True):
    """One plugin of a chain: its program's name, the capabilities it declares, and its configuration."""

    type: str
    capabilities: frozenset[str]
    conf: dict[str, Any]


class NetworkConf(Struct, frozen=True):
    """One network: a chain of plugins. `source` is the list as JSON, as libcni's cache keeps it."""

    name: str
    cni_version: str
    plugins: tuple[Plugin, ...]
    source: bytes

    def at_least(self, *version: int) -> bool:
        """Whether the configuration speaks this version of the specification or a later one."""
        return version_key(self.cni_version) >= version


class Loaded(Struct, frozen=True):
    """What the configuration directory holds: networks in order, and a sentence for every file passed over."""

    networks: tuple[NetworkConf, ...] = ()
    problems: tuple[str, ...] = ()


def version_key(version: str) -> tuple[int, ...]:
    """Return a version as numbers that compare; an empty one is 0.1.0, as the specification says."""
    parts = (version or "0.1.0").split(".")
    if not all(part.isdigit() for part in parts):
        raise ConfError(f"cniVersion {version!r} is not a version")
    return tuple(int(part) for part in parts)


def parse_conflist(data: bytes) -> NetworkConf:
    """Parse a configuration list. Raises `ConfError` saying what is wrong with it."""
    document = _object(data)
    plugins = document.get("plugins")
    if not isinstance(plugins, list) or not plugins:
        raise ConfError("there is no plugin in its list 'plugins'")
    name = document.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfError(f"the network name {name!r} is missing or holds other than letters, digits and _ . -")
    return NetworkConf(name, _version(document), tuple(_plugin(item) for item in plugins), data)


def parse_conf(data: bytes) -> NetworkConf:
    """Parse a configuration of a single plugin, the form of before 1.0, as a list of one."""
    document = _object(data)
    if "plugins" in document:
        raise ConfError("it holds a list of plugins, so its file name must end in .conflist")
    conflist = {"name": document.get("name"), "cniVersion": document.get("cniVersion", ""), "plugins": [document]}
    return parse_conflist(json.dumps(conflist).encode())


def load_directory(directory: str, max_conf_num: int) -> Loaded:
    """Read the configurations in `directory`. Blocking. Never raises: what cannot be used becomes a problem."""
    networks: list[NetworkConf] = []
    problems: list[str] = []
    try:
        files = sorted(path for path in Path(directory).iterdir() if path.suffix in _SUFFIXES)
    except OSError as error:
        return Loaded(problems=(f"cannot read {directory}: {(error.strerror or str(error)).lower()}",))
    for path in files:
        if max_conf_num > 0 and len(networks) == max_conf_num:
            break
        try:
            data = path.read_bytes()
            networks.append(parse_conflist(data) if path.suffix == ".conflist" else parse_conf(data))
        except IsADirectoryError:
            continue
        except (OSError, ConfError) as error:
            problems.append(f"{path}: {error}")
    return Loaded(tuple(networks), tuple(problems))


def directory_signature(directory: str) -> tuple[tuple[str, int, int, int], ...]:
    """Return what changes whenever a configuration file does: names, inodes, times and sizes. Blocking."""
    try:
        entries = [(path, path.stat()) for path in sorted(Path(directory).iterdir()) if path.suffix in _SUFFIXES]
    except OSError:
        return ()
    return tuple((path.name, info.st_ino, info.st_mtime_ns, info.st_size) for path, info in entries)


def _object(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError as error:
        raise ConfError(f"not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ConfError("not a JSON object")
    return document


def _version(document: dict[str, Any]) -> str:
    """Choose the version to speak: the highest that both the file (`cniVersions`, since 1.1.0) and we know."""
    versions = document.get("cniVersions") or []
    offered: list[str] = [*(versions if isinstance(versions, list) else [None]), document.get("cniVersion") or ""]
    offered = [version for version in offered if version != ""]
    if not all(isinstance(version, str) for version in offered):
        raise ConfError("cniVersion must be a string and cniVersions a list of them")
    if not offered:
        return ""
    known = [version for version in offered if version_key(version) <= _NEWEST]
    if not known:
        raise ConfError(f"cniVersion {', '.join(offered)} is newer than 1.1.0")
    return max(known, key=version_key)


def _plugin(item: object) -> Plugin:
    if not isinstance(item, dict):
        raise ConfError("a plugin's configuration must be an object")
    kind = item.get("type")
    if not isinstance(kind, str) or not kind or "/" in kind:
        raise ConfError(f"a plugin's type {kind!r} is missing or not a program's name")
    declared = item.get("capabilities") or {}
    if not isinstance(declared, dict):
        raise ConfError(f"the capabilities of plugin {kind} must be an object")
    return Plugin(kind, frozenset(name for name, on in declared.items() if on is True), item)
