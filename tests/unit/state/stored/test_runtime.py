"""What a containerd record says of its runtime."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage

from containerd_client.api.containerd.runc.v1 import runc_pb2
from containerd_client.api.containerd.services.containers.v1.containers_pb2 import Container as Record
from cri_shim.state.stored.runtime import runs_plain_runc

SHIM = "io.containerd.runc.v2"
TYPE = "containerd.runc.v1.Options"


def options(type_url: str = TYPE, **values: Any) -> AnyMessage:
    """Packed options of the runc shim."""
    return AnyMessage(type_url=type_url, value=runc_pb2.Options(**values).SerializeToString())


@pytest.mark.parametrize(
    ("name", "packed", "plain"),
    [
        (SHIM, None, True),
        (SHIM, options(), True),
        (SHIM, options(f"types.containerd.io/{TYPE}", systemd_cgroup=True, root="/run/own"), True),
        (SHIM, options(binary_name="crun"), False),
        (SHIM, options("runtimeoptions.v1.Options"), False),
        (SHIM, AnyMessage(type_url=TYPE, value=b"\xff"), False),
        ("io.containerd.kata.v2", None, False),
        ("/opt/bin/containerd-shim-runc-v2", options(), False),
        ("", None, False),
    ],
)
def test_plain_runc(name: str, packed: AnyMessage | None, *, plain: bool) -> None:
    """Only runc's own shim that runs runc is plain, and what cannot be read is not."""
    record = Record(runtime=Record.Runtime(name=name, options=packed))
    assert runs_plain_runc(record) is plain
