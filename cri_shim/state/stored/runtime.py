"""Read from a containerd record which runtime its task runs under, whatever the configuration says by now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from containerd_client.api.containerd.runc.v1 import runc_pb2
from cri_shim.state.stored.go_json import to_go_json

if TYPE_CHECKING:
    from containerd_client.api.containerd.services.containers.v1.containers_pb2 import Container as Record

RUNC_OPTIONS_TYPE = "containerd.runc.v1.Options"
_SHIM = "io.containerd.runc.v2"


def runs_plain_runc(record: Record) -> bool:
    """Return whether the record names runc's own shim and no other program; False if its options cannot be read."""
    if record.runtime.name != _SHIM:
        return False
    if not record.runtime.options.type_url:
        return True
    options = _runc_options(record)
    return options is not None and not options.binary_name


def shown_runtime_options(record: Record) -> dict[str, Any] | None:
    """Return the options of the record's runtime as containerd's plugin shows them; None for options of another."""
    options = _runc_options(record)
    return None if options is None else to_go_json(options)


def _runc_options(record: Record) -> runc_pb2.Options | None:
    packed = record.runtime.options
    if packed.type_url.rpartition("/")[2] != RUNC_OPTIONS_TYPE:
        return None
    try:
        return runc_pb2.Options.FromString(packed.value)
    except DecodeError:
        return None
