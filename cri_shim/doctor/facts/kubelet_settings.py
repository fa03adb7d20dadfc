"""Read the few settings of the node's kubelet that concern a container runtime, from its flags and its files.

The kubelet's file is YAML or JSON. Only scalars at the top level are needed, and only lines that leave no doubt are
read: whatever else YAML allows (anchors, several documents, tabs, flow style at the top) makes the value unknown. Flags
win over files, as in the kubelet.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from cri_shim.doctor.facts.files import text_of
from cri_shim.doctor.facts.kubelet_flags import flags_of, flags_of_files
from cri_shim.kernel.processes import all_pids, arguments
from untrusted import DocumentError, parse_object

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cri_shim.doctor.facts.kubelet_flags import Flag
    from cri_shim.doctor.facts.place import Place

USUAL_FILE: Final = "/var/lib/kubelet/config.yaml"
_INSTANCE_FILE: Final = "/var/lib/kubelet/instance-config.yaml"

_SCALAR: Final = re.compile(
    r"""(?:"(?P<double>[^"\\]*)"|'(?P<single>[^']*)'|(?P<plain>[A-Za-z0-9_./:@~-]+))?(?:(?:^|\s+)#.*)?"""
)
_SUSPECT: Final = re.compile(r"""^(?:%|\t|\?|&|\*|!|\{|\[|<<|--- |"[^"]*\\)""")
_NULLS: Final = frozenset({"~", "null", "Null", "NULL"})
_KEYS: Final = ("cgroupDriver", "containerRuntimeEndpoint")


class Setting(Struct, frozen=True):
    """One setting: its value, empty if it is not set, and where it was read; or the reason why it is unknown."""

    value: str = ""
    where: str = ""
    unknown_reason: str = ""


class KubeletSettings(Struct, frozen=True):
    """The kubelet of this node; ``present`` is false if neither a process nor a file of one exists."""

    present: bool
    pid: int = 0
    cgroup_driver: Setting = Setting()
    endpoint: Setting = Setting()
    containerd: Setting = Setting()


def read_kubelet(place: Place) -> KubeletSettings:
    """Read the settings of the running kubelet, or of the files that start one. Blocks."""
    pid, command = _process(place)
    flags, reason = (flags_of((word, "") for word in command[1:]), "") if command else flags_of_files(place.root)
    if reason:  # flags win over all files, so nothing is known without them
        unknown = Setting(unknown_reason=reason)
        return KubeletSettings(True, 0, unknown, unknown, unknown)
    named = _value(flags, "config")
    files = [named] if named else [USUAL_FILE, _INSTANCE_FILE]
    drop_ins, reason = _drop_ins(place, _value(flags, "config-dir"))
    values, present = _values(place, [*files, *drop_ins])
    if reason:
        values |= dict.fromkeys(_KEYS, Setting(unknown_reason=reason))
    for key, flag in (("cgroupDriver", "cgroup-driver"), ("containerRuntimeEndpoint", "container-runtime-endpoint")):
        if flag in flags:
            values[key] = _setting(flags, flag)
    return KubeletSettings(
        bool(pid) or present,
        pid,
        values.get("cgroupDriver", Setting()),
        values.get("containerRuntimeEndpoint", Setting()),
        _setting(flags, "containerd"),
    )


def _setting(flags: Mapping[str, Flag], name: str) -> Setting:
    if name not in flags:
        return Setting()
    path = flags[name].path
    return Setting(flags[name].value, f"the kubelet's flag --{name}{f' in {path}' if path else ''}")


def _value(flags: Mapping[str, Flag], name: str) -> str:
    return flags[name].value if name in flags else ""


def _process(place: Place) -> tuple[int, list[str]]:
    try:
        pids = sorted(all_pids(place.proc))
    except FileNotFoundError:
        if place.root == Path("/"):
            raise
        return 0, []  # the file system of a node that does not run, such as an image
    for pid in pids:
        command = arguments(pid, place.proc)
        if command and Path(command[0]).name == "kubelet":
            return pid, command
    return 0, []


def _drop_ins(place: Place, directory: str) -> tuple[list[str], str]:
    """Return the configuration files in a directory, or the reason why they are unknown."""
    if not directory:
        return [], ""
    try:
        names = sorted(path.name for path in place.at(directory).iterdir() if path.suffix == ".conf")
    except FileNotFoundError:
        return [], ""
    except OSError as error:
        return [], f"{directory} cannot be read: {(error.strerror or str(error)).lower()}"
    return [f"{directory}/{name}" for name in names], ""


def _values(place: Place, files: Iterable[str]) -> tuple[dict[str, Setting], bool]:
    """Return the settings of several files, of which the later win, and whether one of them exists."""
    values: dict[str, Setting] = {}
    present = False
    for file in files:
        try:
            text = text_of(place.at(file))
        except OSError as error:
            reason = f"{file} cannot be read: {(error.strerror or str(error)).lower()}"
            values |= dict.fromkeys(_KEYS, Setting(unknown_reason=reason))
            present = True
            continue
        if text is not None:
            present = True
            values |= settings_in(text, file)
    return values, present


def settings_in(text: str, file: str) -> dict[str, Setting]:
    """Return the settings that a kubelet's file contains, without those that it does not set."""
    text = text.removeprefix("\ufeff")
    if text.lstrip().startswith("{"):
        return _settings_in_json(text, file)
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if lines and re.fullmatch(r"---(?:\s+#.*)?\s*", lines[0]):
        del lines[0]
    suspect = any(map(_SUSPECT.match, lines)) or bool(lines and lines[0][0].isspace())
    if suspect or any(line.startswith("...") or line.rstrip() == "---" for line in lines):
        return dict.fromkeys(_KEYS, Setting(unknown_reason=f"{file} is YAML of a form that is not read here"))
    settings: dict[str, Setting] = {}
    for line, following in pairwise([*lines, ""]):
        # YAML of Kubernetes spells keys plainly; a quoted key of these names would be a doubt.
        match = re.match(r"""["']?(cgroupDriver|containerRuntimeEndpoint)["']?\s*:(?:\s+(.*))?$""", line)
        if match is None:
            continue
        key = match[1]
        scalar = _SCALAR.fullmatch((match[2] or "").strip())
        if scalar is None or key in settings or following[:1].isspace():  # an indented line continues the value
            settings[key] = Setting(unknown_reason=f"{key} in {file} has a form that is not read here")
        else:
            plain = "" if scalar["plain"] in _NULLS else scalar["plain"]
            settings[key] = Setting(scalar["double"] or scalar["single"] or plain or "", file)
    return {key: setting for key, setting in settings.items() if setting.value or setting.unknown_reason}


def _settings_in_json(text: str, file: str) -> dict[str, Setting]:
    try:
        document = parse_object(text.encode())
        return {key: Setting(document.text(key), file) for key in _KEYS if key in document and document.text(key)}
    except DocumentError as error:
        return dict.fromkeys(_KEYS, Setting(unknown_reason=f"{file}: {error}"))
