"""Limit how long one attempt of a call may take when its caller sets no earlier deadline: one table of all methods.

Without a limit, a shim that hangs, a stopped containerd or a broken disk would block a call, and everything that waits
for it, for as long as the fault lasts. The limits are far above what a busy node needs; they only end calls that would
never end otherwise. The effect of a call that hit its limit is unknown (``DeadlineExceeded``): containerd may carry it
out later.

containerd passes the deadline on to the shim, which ends the OCI runtime when the deadline passes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

READ: Final = 30.0
"""Reads from containerd's database or from a shim; containerd gives a shim two seconds to report its state."""
RECORD: Final = 60.0
"""Changes of containerd's database, which it syncs to disk one after the other."""
RUNTIME: Final = 240.0
"""Starting a program, for which some runtimes boot a virtual machine. A kubelet waits this long for RunPodSandbox."""
SIGNAL: Final = 10.0
"""A signal, which the shim passes on. A shim that hangs delays only the end of its own pod."""
END: Final = 60.0
"""Removing what a task left behind: the OCI runtime's container, mounts, cgroups, the shim."""
SNAPSHOT: Final = 300.0
"""Preparing, committing or removing a snapshot; a file system with many files or a remote snapshotter is slow."""
COLLECTED: Final = 300.0
"""Deletes that wait for containerd's garbage collector."""
BLOB: Final = 1800.0
"""Reading a blob, which proceeds at the pace of its reader."""
LAYER: Final = 7200.0
"""Unpacking or comparing a layer, or writing a container's memory. Unpacking is also watched for progress."""
UNBOUNDED: Final = None
"""Calls without a natural end: an event stream, waiting for a process, a stream that watches its own progress."""

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
        # containerd walks all files of a snapshot that is not committed.
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
"""Full method name → seconds; None for calls without a natural end."""


def within(limit: float | None, remaining: float | None) -> float | None:
    """Return the shorter of a method's own limit and the seconds until the caller's deadline."""
    if limit is None or remaining is None:
        return remaining if limit is None else limit
    return min(limit, remaining)
