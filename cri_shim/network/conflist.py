"""Load network configurations: choose the files of the configuration directory that are used, and parse them.

Source: the CNI specification, "Network configuration format". The choice of files is go-cni's: ``*.conf``,
``*.conflist`` and ``*.json`` in lexical order, the first ``max_conf_num`` of them. go-cni loads nothing when one file
is broken; this module skips the broken file and reports its fault in the status.

A file is parsed as libcni parses it: the keys of the list exactly as they are written, those of a plugin by the rules
of Go's JSON decoder. The plugin gets its configuration unchanged.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from cri_shim.kernel.small_file import read_small_file
from cri_shim.node_faults import is_node_fault
from untrusted import DocumentError, Object, escaped, parse_object

LARGEST: Final = 1 << 20
"""The most bytes of a configuration file."""

_NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.\-]*")
_VERSION: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){0,3}")
_PROBLEMS_SHOWN: Final = 5
_NEWEST: Final = (1, 1, 0)
_SUFFIXES: Final = (".conf", ".conflist", ".json")


class ConfError(ValueError):
    """A network configuration cannot be used; the text says why."""


class VersionError(ConfError):
    """The file uses no version of the CNI specification that is known here."""


class Plugin(Struct, frozen=True):
    """One plugin of a chain: its program's name, the capabilities it declares, and its configuration."""

    type: str
    capabilities: frozenset[str]
    conf: dict[str, Any]
    address_plugin: str = ""
    """The plugin that assigns its addresses (``ipam.type``); empty if the configuration names none."""

    def names(self, program: str) -> bool:
        """Return whether this program is the plugin's, or one that its configuration has it run (``ipam.type``)."""
        todo: list[Any] = [self.conf, {"type": self.type}]
        while todo:
            value = todo.pop()
            if isinstance(value, dict):
                if any(key.lower() == "type" and inner == program for key, inner in value.items()):
                    return True
                todo += value.values()
            elif isinstance(value, list):
                todo += value
        return False


class NetworkConf(Struct, frozen=True):
    """One network: a chain of plugins.

    ``source`` is the list as JSON, in the form that libcni's cache stores.
    """

    name: str
    cni_version: str
    plugins: tuple[Plugin, ...]
    source: bytes

    def at_least(self, *version: int) -> bool:
        """Return whether the configuration uses this version of the specification or a later one."""
        return version_key(self.cni_version) >= version


class Loaded(Struct, frozen=True):
    """The content of the configuration directory: the networks in order, and one sentence for each file skipped."""

    networks: tuple[NetworkConf, ...] = ()
    problems: tuple[str, ...] = ()
    unread: bool = False
    """Something could not be read because of the node (out of descriptors, say), so its content is unknown."""


def version_key(version: str) -> tuple[int, ...]:
    """Return a version as a tuple of numbers that compares; an empty one is 0.1.0, as the specification says.

    Raises ``ConfError`` if the text is not a version.
    """
    match = _VERSION.fullmatch(version or "0.1.0")
    if match is None:
        raise VersionError(f"cniVersion {escaped(version)!r} is not a version")
    return tuple(map(int, match[0].split(".")))


@lru_cache(maxsize=16)
def parse_conflist(data: bytes) -> NetworkConf:
    """Parse a configuration list.

    The last 16 are cached, because each pod brings the configuration of its ADD with it when it goes. Raises
    ``ConfError`` saying what is wrong with the list.
    """
    document = _object(data)
    plugins = document.get("plugins")
    if not isinstance(plugins, list) or not plugins:
        raise ConfError("there is no plugin in its list 'plugins'")
    return NetworkConf(_name(document), _version(document), tuple(_plugin(item) for item in plugins), data)


def parse_conf(data: bytes) -> NetworkConf:
    """Parse the configuration of a single plugin, the form used before 1.0, as a list of one."""
    document = _object(data)
    if "plugins" in document:
        raise ConfError("it holds a list of plugins, so its file name must end in .conflist")
    fields = Object(tuple(document.items()))
    conflist = {"name": fields.value("name"), "cniVersion": fields.value("cniVersion") or "", "plugins": [document]}
    return parse_conflist(json.dumps(conflist).encode())


def configuration_files(directory: str) -> list[Path]:
    """Return the files of ``directory`` that may hold configurations, in the order of their use.

    Blocking. Raises OSError.
    """
    return sorted(path for path in Path(directory).iterdir() if path.suffix in _SUFFIXES)


def read_configuration(path: Path) -> NetworkConf | None:
    """Read one configuration file; None for a directory, which is not one.

    Blocking. Raises OSError or ``ConfError``.
    """
    if path.is_dir():
        return None
    data = read_small_file(path, LARGEST)
    return parse_conflist(data) if path.suffix == ".conflist" else parse_conf(data)


def load_directory(directory: str, max_conf_num: int) -> Loaded:
    """Read the configurations in ``directory``.

    Blocking. It never raises: each file that cannot be used becomes a problem in the result.
    """
    networks: list[NetworkConf] = []
    problems: list[str] = []
    try:
        files = configuration_files(directory)
    except OSError as error:
        return Loaded(problems=(f"cannot read {directory}: {_reason(error)}",), unread=is_node_fault(error))
    unread = False
    for path in files:
        if max_conf_num > 0 and len(networks) == max_conf_num:
            break
        try:
            network = read_configuration(path)
        except OSError as error:
            unread = unread or is_node_fault(error)
            problems.append(f"{escaped(str(path))}: {_reason(error)}")
        except ConfError as error:
            problems.append(f"{escaped(str(path))}: {error}")
        else:
            if network is not None:
                networks.append(network)
    if len(problems) > _PROBLEMS_SHOWN:
        problems[_PROBLEMS_SHOWN:] = [f"{len(problems) - _PROBLEMS_SHOWN} more files cannot be used"]
    return Loaded(tuple(networks), tuple(problems), unread)


def directory_signature(directory: str) -> tuple[tuple[str, int, int, int], ...]:
    """Return a value that changes whenever a configuration file does: names, inodes, times and sizes.

    Blocking.
    """
    try:
        paths = configuration_files(directory)
    except OSError:
        return ()
    return tuple(map(_file_signature, paths))


def _file_signature(path: Path) -> tuple[str, int, int, int]:
    try:
        info = path.stat()
    except OSError as error:  # a dangling link, for example, must not hide changes of other files
        return path.name, -(error.errno or 1), 0, 0
    return path.name, info.st_ino, info.st_ctime_ns, info.st_size


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _object(data: bytes) -> dict[str, Any]:
    try:
        return parse_object(data, limit=LARGEST).plain()
    except DocumentError as error:
        raise ConfError(str(error)) from None


def _name(document: dict[str, Any]) -> str:
    name = document.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        shown = repr(escaped(name)) if isinstance(name, str) else "that is not a string"
        raise ConfError(f"the network name {shown} is missing or has characters other than letters, digits and _ . -")
    return name


def _version(document: dict[str, Any]) -> str:
    """Choose the version to use: the highest that both the file (``cniVersions``, since 1.1.0) and this module know."""
    versions = document.get("cniVersions") or []
    offered: list[str] = [*(versions if isinstance(versions, list) else [None]), document.get("cniVersion") or ""]
    offered = [version for version in offered if version != ""]
    if not all(isinstance(version, str) for version in offered):
        raise ConfError("cniVersion must be a string and cniVersions a list of them")
    if not offered:
        return ""
    known = [version for version in offered if version_key(version) <= _NEWEST]
    if not known:
        raise VersionError(f"cniVersion {escaped(', '.join(offered))} is newer than 1.1.0")
    return max(known, key=version_key)


def _plugin(item: object) -> Plugin:
    if not isinstance(item, dict):
        raise ConfError("a plugin's configuration must be an object")
    fields = parse_object(json.dumps(item).encode())
    try:
        kind = fields.text("type")
        fields.text("name"), fields.text("cniVersion")  # checked as libcni does: every plugin would refuse them
        ipam = fields.object("ipam")
        address_plugin = ipam.text("type") if ipam is not None else ""
        declared = _declared(fields.object("capabilities"))
    except DocumentError as error:
        raise ConfError(f"in a plugin's configuration {error}") from None
    if not kind or not _is_program_name(kind):
        raise ConfError(f"a plugin's type {escaped(kind)!r} is missing or not a program's name")
    return Plugin(kind, frozenset(declared), item, address_plugin if _is_program_name(address_plugin) else "")


def _declared(capabilities: Object | None) -> list[str]:
    members = () if capabilities is None else capabilities.members()
    for key, value in members:
        if value is not None and not isinstance(value, bool):
            raise DocumentError(f"capability {escaped(key)} is neither true nor false")
    return [key for key, value in members if value]


def _is_program_name(text: str) -> bool:
    return "/" not in text and "\0" not in text and text not in {".", ".."}
