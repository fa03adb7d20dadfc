"""Pack and read the OCI runtime spec in a containerd record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from google.protobuf.any_pb2 import Any as AnyMessage

from untrusted import decode_utf8

if TYPE_CHECKING:
    from collections.abc import Mapping

    from containerd_client.api.containerd.services.containers.v1.containers_pb2 import Container as Record

SPEC_TYPE = "types.containerd.io/opencontainers/runtime-spec/1/Spec"


def pack_spec(spec: Mapping[str, Any]) -> AnyMessage:
    """Return an OCI runtime spec as containerd stores it."""
    return AnyMessage(type_url=SPEC_TYPE, value=json.dumps(spec, separators=(",", ":")).encode())


def read_spec(record: Record) -> dict[str, Any]:
    """Return the OCI runtime spec of a record; raises ValueError that names the record when it holds none."""
    try:
        spec = json.loads(decode_utf8(record.spec.value))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"runtime spec of container {record.id} is not readable: {error}") from error
    if not isinstance(spec, dict):
        raise ValueError(f"runtime spec of container {record.id} is not an object")  # noqa: TRY004 - one error to catch
    return spec
