"""Read from a containerd record which runtime its task runs under, whatever the configuration says by now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from containerd_client.api.containerd.runc.v1 import runc_pb2

if TYPE_CHECKING:
    from containerd_client.api.containerd.services.containers.v1.containers_pb2 import Container as Record

RUNC_OPTIONS_TYPE = "containerd.runc.v1.Options"
_SHIM = "io.containerd.runc.v2"


def runs_plain_runc(record: Record) -> bool:
    """Return whether the record names runc's own shim and no other program; False if its options cannot be read."""
    packed = record.runtime.options
    if record.runtime.name != _SHIM:
        return False
    if not packed.type_url:
        return True
    try:
        options = runc_pb2.Options.FromString(packed.value)
    except DecodeError:
        return False
    return packed.type_url.rpartition("/")[2] == RUNC_OPTIONS_TYPE and not options.binary_name
