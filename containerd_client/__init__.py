"""An async client of containerd's gRPC API. See README.md in this folder."""

from __future__ import annotations

import os

# Must be set before grpc is imported for the first time: with its fork support on, every child process that is
# started by fork (always so under uvloop) runs gRPC's handlers, which log noise and have been known to hang.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

from containerd_client.client import Containerd
from containerd_client.content_writer import Writer
from containerd_client.errors import (
    Aborted,
    AlreadyExists,
    Cancelled,
    ClientClosed,
    ContainerdError,
    DataLoss,
    DeadlineExceeded,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    NotFound,
    OutOfRange,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    Unimplemented,
    Unknown,
    is_ingest_locked,
    is_shim_gone,
)
from containerd_client.exits import Exit
from containerd_client.hops import Hop, OnCall, OnHop
from containerd_client.options import call_options, detached_options
from containerd_client.snapshots import Snapshots

__all__ = [
    "Aborted",
    "AlreadyExists",
    "Cancelled",
    "ClientClosed",
    "Containerd",
    "ContainerdError",
    "DataLoss",
    "DeadlineExceeded",
    "Exit",
    "FailedPrecondition",
    "Hop",
    "Internal",
    "InvalidArgument",
    "NotFound",
    "OnCall",
    "OnHop",
    "OutOfRange",
    "PermissionDenied",
    "ResourceExhausted",
    "Snapshots",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "Unknown",
    "Writer",
    "call_options",
    "detached_options",
    "is_ingest_locked",
    "is_shim_gone",
]
