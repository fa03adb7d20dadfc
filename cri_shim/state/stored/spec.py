"""The OCI runtime spec in a containerd record, which containerd keeps as JSON in an ``Any``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NoReturn

from google.protobuf.any_pb2 import Any as AnyMessage

from cri_shim.errors import FailedPreconditionError
from untrusted import DocumentError, decode_utf8, parse_object, read_shape
from untrusted.document import fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from containerd_client.api.containerd.services.containers.v1.containers_pb2 import Container as Record
    from untrusted.shape import Shape

SPEC_TYPE = "types.containerd.io/opencontainers/runtime-spec/1/Spec"

_PARTS: Final[Shape] = {
    "process": {
        "user": {"uid": "integer", "gid": "integer", "additionalGids": "integers"},
        "env": "texts",
        "oomScoreAdj": "integer",
    },
    "annotations": {},
    "linux": {
        "mountLabel": "text",
        "namespaces": [{"type": "text", "path": "text"}],
        "resources": {
            "cpu": {**dict.fromkeys(("shares", "period", "quota"), "integer"), "cpus": "text", "mems": "text"},
            "memory": {"limit": "integer", "swap": "integer"},
            "unified": "text_map",
            "hugepageLimits": [{"pageSize": "text", "limit": "unsigned"}],
        },
    },
}
"""What this daemon reads and changes of a spec; the OCI runtime checks the rest."""


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)
_INTEGERS: Final = {"integer": range(-(1 << 63), 1 << 63), "unsigned": range(1 << 64)}


def pack_spec(spec: Mapping[str, Any]) -> AnyMessage:
    """Return an OCI runtime spec as containerd stores it."""
    return AnyMessage(type_url=SPEC_TYPE, value=json.dumps(spec, separators=(",", ":")).encode())


def read_spec(record: Record) -> dict[str, Any]:
    """Return the OCI runtime spec of a record, in which the parts that this daemon reads and changes have their types.

    Any client of containerd can write a record. Raises FailedPreconditionError that names the record and what is wrong
    with it.
    """
    data = record.spec.value
    try:
        spec = _plain_spec(data)
        return read_shape(parse_object(data), _PARTS, unknown="keep") if spec is None else spec
    except DocumentError as error:
        raise FailedPreconditionError(f"runtime spec of container {record.id} is not readable: {error}") from error


def process_of(record: Record) -> dict[str, Any]:
    """Return the ``process`` of a record's runtime spec; raises FailedPreconditionError, also if there is none."""
    process: dict[str, Any] | None = read_spec(record).get("process")
    if process is None:
        raise FailedPreconditionError(f"runtime spec of container {record.id} has no process")
    return process


def _plain_spec(data: bytes) -> dict[str, Any] | None:
    """Return the spec if it is as this daemon and containerd write one, None for any other.

    This is many times as fast as reading by Go's rules, and every StartContainer reads a spec.
    """
    if b"\\ud" in data or b"\\uD" in data:  # perhaps half of a surrogate pair
        return None
    try:
        spec = _DECODER.decode(decode_utf8(data))
    except (ValueError, RecursionError):
        return None
    return spec if _is_plain(spec, _PARTS) else None


def _is_plain(value: Any, wanted: Any) -> bool:
    """Return whether a part has the wanted type, and all of its fields are named in the usual case."""
    match wanted:
        case dict():
            return (
                isinstance(value, dict)
                and not _in_another_case(value.keys() - wanted.keys(), wanted)
                and all(_is_plain(value[name], kind) for name, kind in wanted.items() if name in value)
            )
        case list():
            return isinstance(value, list) and all(_is_plain(item, wanted[0]) for item in value)
        case "text":
            return isinstance(value, str)
        case "texts":
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
        case "text_map":
            return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())
        case "integers":
            return isinstance(value, list) and all(_is_plain(item, "integer") for item in value)
        case _:
            return type(value) is int and value in _INTEGERS[wanted]


def _in_another_case(keys: Iterable[str], names: Iterable[str]) -> bool:
    return not {fold(name) for name in names}.isdisjoint(map(fold, keys))
