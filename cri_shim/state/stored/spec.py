"""Pack and read the OCI runtime spec in a containerd record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from google.protobuf.any_pb2 import Any as AnyMessage

from untrusted import DocumentError, decode_utf8

if TYPE_CHECKING:
    from collections.abc import Mapping

    from containerd_client.api.containerd.services.containers.v1.containers_pb2 import Container as Record

SPEC_TYPE = "types.containerd.io/opencontainers/runtime-spec/1/Spec"

_KINDS: Final[dict[type, tuple[Any, str]]] = {
    dict: (dict, "an object"),
    list: (list, "a list"),
    str: (str, "a string"),
    int: (int, "a whole number"),
}
_PARTS: Final[dict[str, Any]] = {
    "process": {"user": {}, "env": [str], "oomScoreAdj": int},
    "annotations": {},
    "linux": {
        "mountLabel": str,
        "namespaces": [{"type": str, "path": str}],
        "resources": {"cpu": {}, "memory": {}, "unified": {}, "hugepageLimits": [{"pageSize": str, "limit": int}]},
    },
}
"""What this daemon reads and changes of a spec; the OCI runtime checks the rest."""


def pack_spec(spec: Mapping[str, Any]) -> AnyMessage:
    """Return an OCI runtime spec as containerd stores it."""
    return AnyMessage(type_url=SPEC_TYPE, value=json.dumps(spec, separators=(",", ":")).encode())


def read_spec(record: Record) -> dict[str, Any]:
    """Return the OCI runtime spec of a record, in which the parts that this daemon reads and changes have their types.

    Any client of containerd can write a record. Raises DocumentError that names the record and what is wrong with it.
    """
    try:
        spec = json.loads(decode_utf8(record.spec.value))
        _check(spec, "", _PARTS)
    except (ValueError, RecursionError) as error:
        said = "nested too deeply" if isinstance(error, RecursionError) else str(error).partition("; use sys.")[0]
        raise DocumentError(f"runtime spec of container {record.id} is not readable: {said}") from error
    return cast("dict[str, Any]", spec)


def process_of(record: Record) -> dict[str, Any]:
    """Return the ``process`` of a record's runtime spec; raises DocumentError, also if there is none."""
    process: dict[str, Any] | None = read_spec(record).get("process")
    if process is None:
        raise DocumentError(f"runtime spec of container {record.id} has no process")
    return process


def _check(value: Any, place: str, wanted: Any) -> None:
    """Check a part of a spec against one of :data:`_PARTS`, and drop each ``null``, which is as good as absent."""
    kind, words = _KINDS[type(wanted) if isinstance(wanted, dict | list) else wanted]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise DocumentError(f"{place or 'it'} is not {words}")
    if isinstance(wanted, dict):
        for name in wanted.keys() & value.keys():
            if value[name] is None:
                del value[name]
            else:
                _check(value[name], f"{place}.{name}" if place else name, wanted[name])
    elif isinstance(wanted, list):
        for number, item in enumerate(value):
            _check(item, f"{place}[{number}]", wanted[0])
