"""An async client for containerd's gRPC API. README.md in this folder shows how to use it.

This package may import ``untrusted`` and its own generated messages. It must never import ``cri_shim``, and knows
nothing of pods.
"""

from __future__ import annotations

import os

# This must be set before the first import of grpc. With gRPC's fork support on, every child process that is started
# by fork (uvloop always forks) runs gRPC's fork handlers, which write noise to the log and have been known to hang.
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
