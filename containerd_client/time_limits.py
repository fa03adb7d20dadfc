"""How long one attempt of a call may take when its caller sets no earlier deadline: one table for every method.

A call without a limit waits for as long as a shim that hangs, a stopped containerd or a broken disk makes it wait, and
holds up what waits for the call. The limits are far above what a busy node needs; they end what would not end by
itself. What a call that ran into its limit has done is not known (``DeadlineExceeded``): containerd may do it later.

containerd hands the deadline on to the shim, which ends the OCI runtime when it passes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

READ: Final = 30.0
"""Answers from containerd's database or from a shim; containerd gives a shim two seconds to tell its state."""
RECORD: Final = 60.0
"""Changes of containerd's database, which are forced to disk one after the other."""
RUNTIME: Final = 240.0
"""A program is started; some runtimes boot a machine for it. As long as a kubelet waits for RunPodSandbox."""
SIGNAL: Final = 10.0
"""A signal is passed on by the shim. One that hangs holds up nothing but what ends its own pod."""
END: Final = 60.0
"""What a task has left is removed: the container of the OCI runtime, mounts, cgroups, the shim."""
SNAPSHOT: Final = 300.0
"""A snapshot is made, kept or removed; a file system of many files takes its time, a remote snapshotter too."""
COLLECTED: Final = 300.0
"""A delete that waits for containerd's garbage collector."""
BLOB: Final = 1800.0
"""A blob is read at the pace of its reader."""
LAYER: Final = 7200.0
"""A layer is unpacked or compared, or a container's memory is written. Unpacking has a progress watch besides."""
UNBOUNDED: Final = None
"""Open by nature: an event stream, the wait for a process, a stream with a progress watch of its own."""

_BY_SERVICE: Final[Mapping[str, Mapping[str, float | None]]] = {
    "containerd.services.containers.v1.Containers": {
        "Get": READ,
        "List": READ,
        "ListStream": READ,
        "Create": RECORD,
        "Update": RECORD,
        "Delete": RECORD,
    },
    "containerd.services.tasks.v1.Tasks": {
        "Create": RUNTIME,
        "Start": RUNTIME,
        "Delete": END,
        "DeleteProcess": END,
        "Get": READ,
        "List": READ,
        "Kill": SIGNAL,
        "Exec": RECORD,
        "ResizePty": SIGNAL,
        "CloseIO": SIGNAL,
        "Pause": RECORD,
        "Resume": RECORD,
        "ListPids": READ,
        "Checkpoint": LAYER,
        "Update": RECORD,
        "Metrics": READ,
        "Wait": UNBOUNDED,
    },
    "containerd.services.images.v1.Images": {
        "Get": READ,
        "List": READ,
        "Create": RECORD,
        "Update": RECORD,
        "Delete": COLLECTED,
    },
    "containerd.services.content.v1.Content": {
        "Info": READ,
        "Update": RECORD,
        "List": RECORD,
        "Delete": RECORD,
        "Read": BLOB,
        "Status": READ,
        "ListStatuses": READ,
        "Write": UNBOUNDED,
        "Abort": RECORD,
    },
    "containerd.services.snapshots.v1.Snapshots": {
        "Prepare": SNAPSHOT,
        "View": SNAPSHOT,
        "Mounts": READ,
        "Commit": SNAPSHOT,
        "Remove": SNAPSHOT,
        "Stat": READ,
        "Update": RECORD,
        "List": RECORD,
        # containerd walks through all files of a snapshot that is not committed.
        "Usage": SNAPSHOT,
        "Cleanup": SNAPSHOT,
    },
    "containerd.services.diff.v1.Diff": {"Apply": LAYER, "Diff": LAYER},
    "containerd.services.leases.v1.Leases": {
        "Create": RECORD,
        "Delete": COLLECTED,
        "List": READ,
        "AddResource": RECORD,
        "DeleteResource": RECORD,
        "ListResources": READ,
    },
    "containerd.services.events.v1.Events": {"Publish": READ, "Forward": READ, "Subscribe": UNBOUNDED},
    "containerd.services.namespaces.v1.Namespaces": {
        "Get": READ,
        "List": READ,
        "Create": RECORD,
        "Update": RECORD,
        "Delete": RECORD,
    },
    "containerd.services.introspection.v1.Introspection": {"Plugins": READ, "Server": READ, "PluginInfo": READ},
    "containerd.services.version.v1.Version": {"Version": READ},
    "containerd.services.transfer.v1.Transfer": {"Transfer": UNBOUNDED},
    "containerd.services.streaming.v1.Streaming": {"Stream": UNBOUNDED},
    "containerd.services.sandbox.v1.Store": {
        "Create": RECORD,
        "Update": RECORD,
        "Delete": RECORD,
        "List": READ,
        "Get": READ,
    },
    "containerd.services.sandbox.v1.Controller": {
        "Create": RUNTIME,
        "Start": RUNTIME,
        "Platform": READ,
        "Stop": END,
        "Wait": UNBOUNDED,
        "Status": READ,
        "Shutdown": END,
        "Metrics": READ,
        "Update": RECORD,
    },
    "containerd.services.mounts.v1.Mounts": {
        "Activate": SNAPSHOT,
        "Deactivate": SNAPSHOT,
        "Info": READ,
        "Update": RECORD,
        "List": READ,
    },
}

TIME_LIMITS: Final[Mapping[str, float | None]] = {
    f"{service}/{method}": seconds for service, methods in _BY_SERVICE.items() for method, seconds in methods.items()
}
"""Full method name to seconds; None for what is open by nature."""


def within(limit: float | None, remaining: float | None) -> float | None:
    """The earlier of a method's own limit and what is left until the caller's deadline."""
    if limit is None or remaining is None:
        return remaining if limit is None else limit
    return min(limit, remaining)
