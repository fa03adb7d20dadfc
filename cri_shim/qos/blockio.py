"""Classes of block I/O: weights and limits for sets of disks, from a file in containerd's format.

A disk may be named by a pattern and through symbolic links (``/dev/disk/by-id/*SSD*``). The pattern is resolved anew
for each container, because disks come and go. If two entries set the same value for the same disk, the later one wins.
Source: the format of ``blockio_config_file`` in containerd's ``docs/cri/config.md``; OCI runtime-spec ``blockIO``.
"""

from __future__ import annotations

import glob
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from msgspec import Struct, field

from cri_shim.errors import FailedPreconditionError
from cri_shim.kernel.small_file import read_small_file
from cri_shim.oci.yaml_text import yaml_as_json
from cri_shim.qos.quantity import parse_quantity
from untrusted import escaped, parse_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cri_shim.oci.defaults import Spec

    Find = Callable[[str], Iterable[tuple[int, int]]]
    """Returns the numbers (major, minor) of the disks that match a pattern."""

_LIMITS = {
    "ThrottleReadBps": "throttleReadBpsDevice",
    "ThrottleWriteBps": "throttleWriteBpsDevice",
    "ThrottleReadIOPS": "throttleReadIOPSDevice",
    "ThrottleWriteIOPS": "throttleWriteIOPSDevice",
}
_KEYS = {name.lower(): name for name in ("Devices", "Weight", *_LIMITS)}
_WEIGHTS = range(10, 1001)
_RATES = range(2**63)

FILE_LIMIT = 1 << 20
"""Largest ``blockio_config_file`` in bytes."""

log = structlog.get_logger(__name__)


class Entry(Struct, frozen=True):
    """One entry of a class: ``limits`` by their names in the runtime spec; without devices it applies to all disks."""

    devices: tuple[str, ...] = ()
    weight: int | None = None
    limits: Mapping[str, int] = field(default_factory=dict)


class BlockioClasses(Struct, frozen=True):
    """The classes of this node; ``reason`` says why there are none."""

    classes: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)
    reason: str = ""

    @classmethod
    def load(cls, path: str) -> BlockioClasses:
        """Read the file; an unreadable or faulty file yields no classes and the reason why. Blocks."""
        if not path:
            return cls(reason="blockio_config_file is not set")
        try:
            return cls(parse_classes(read_small_file(path, FILE_LIMIT)))
        except OSError as error:
            return cls(reason=f"{path}: {error.strerror}")
        except ValueError as error:
            return cls(reason=f"{path}: {error}")

    def section(self, name: str, find: Find, *, weights: bool) -> Spec:
        """Return the runtime spec's ``blockIO`` for a class; ``weights`` says whether the node's cgroups have weights.

        Raises FailedPreconditionError for a class that does not exist, and for a weight on a node without weights.
        """
        entries = self.classes.get(name)
        if entries is None:
            known = ", ".join(sorted(self.classes)) or "none"
            raise FailedPreconditionError(f"blockio class {name!r} does not exist; known classes: {known}")
        if not weights and any(entry.weight is not None for entry in entries):
            raise FailedPreconditionError(
                f"blockio class {name!r} sets a weight, which this node's I/O controller does not have; "
                "it needs the bfq scheduler, or cgroup v2 with io.cost"
            )
        result: Spec = {}
        tables: dict[str, dict[tuple[int, int], int]] = {}
        for entry in entries:
            if not entry.devices and entry.weight is not None:
                result["weight"] = entry.weight
            disks = [numbers for pattern in entry.devices for numbers in find(pattern)]
            if entry.devices and not disks:
                log.warning("blockio.no_such_disks", name=name, devices=list(entry.devices))
            for disk in disks:
                if entry.weight is not None:
                    tables.setdefault("weightDevice", {})[disk] = entry.weight
                for limit, rate in entry.limits.items():
                    tables.setdefault(limit, {})[disk] = rate
        for table, values in tables.items():
            what = "weight" if table == "weightDevice" else "rate"
            result[table] = [{"major": disk[0], "minor": disk[1], what: value} for disk, value in values.items()]
        return result


def parse_classes(text: bytes) -> dict[str, tuple[Entry, ...]]:
    """Parse the classes; raises ValueError that says where the mistake is."""
    document = parse_object(yaml_as_json(text))
    if [key for key in document.keys() if key.lower() != "classes"] or "Classes" not in document:  # noqa: SIM118
        raise ValueError("it must have one key, Classes, with a table of classes")
    classes = document.value("Classes")
    if not isinstance(classes, dict):
        raise ValueError("Classes is not a table of classes")  # noqa: TRY004 - one error to catch
    result = {}
    for name, entries in classes.items():
        if not isinstance(entries, list):
            raise ValueError(f"class {name!r} is not a list")  # noqa: TRY004 - one error to catch
        result[name] = tuple(_entry(f"class {name!r}", entry) for entry in entries)
    return result


def find_disks(pattern: str) -> list[tuple[int, int]]:
    """Return the numbers of the block devices that match a pattern; follows links, skips other files. Blocks."""
    disks = []
    for path in sorted({os.path.realpath(match) for match in glob.glob(pattern)}):  # noqa: PTH207 - an absolute pattern
        try:
            info = Path(path).stat()
        except OSError:
            continue
        if stat.S_ISBLK(info.st_mode):
            disks.append((os.major(info.st_rdev), os.minor(info.st_rdev)))
    return disks


def has_weights(cgroups: Path = Path("/sys/fs/cgroup")) -> bool:
    """Return whether the node's cgroups have I/O weights; True on a node without a cgroup to look at. Blocks."""
    unified = (cgroups / "cgroup.controllers").exists()
    parent = cgroups if unified else cgroups / "blkio"
    names = ("io.weight", "io.bfq.weight") if unified else ("blkio.weight", "blkio.bfq.weight")
    try:
        groups = [path for path in parent.iterdir() if path.is_dir()]
    except OSError:
        return False
    return not groups or any((group / name).exists() for group in groups for name in names)


def _entry(where: str, entry: Any) -> Entry:
    if not isinstance(entry, dict):
        raise ValueError(f"{where}: an entry is not a table")  # noqa: TRY004 - one error to catch
    entry = {_KEYS.get(key.lower(), key): value for key, value in entry.items()}
    unknown = set(entry) - set(_KEYS.values())
    if unknown:
        raise ValueError(f"{where}: unknown key {escaped(min(unknown))}")
    devices = entry.get("Devices") or []
    if not isinstance(devices, list) or not all(isinstance(device, str) for device in devices):
        raise ValueError(f"{where}: Devices is not a list of paths")
    limits = {spec: _number(where, key, entry[key], _RATES) for key, spec in _LIMITS.items() if entry.get(key)}
    if limits and not devices:
        raise ValueError(f"{where}: an entry with a limit must list its Devices")
    weight = _number(where, "Weight", entry["Weight"], _WEIGHTS) if entry.get("Weight") else None
    return Entry(tuple(devices), weight, limits)


def _number(where: str, key: str, value: Any, allowed: range) -> int:
    try:
        number = parse_quantity(str(value))
    except ValueError as error:
        raise ValueError(f"{where}: {key}: {error}") from error
    if number not in allowed:
        raise ValueError(f"{where}: {key} is {number}, not between {allowed.start} and {allowed.stop - 1}")
    return number
