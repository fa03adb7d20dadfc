"""Decide which calls may be retried, and how: one table of all methods, one time budget, tenacity for the pauses.

A request that gRPC never sent, because there was no connection, may be retried whatever the class of its method. For
all others the class decides. A successful first attempt costs nothing here: a call enters this module only after a
failure.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from tenacity import AsyncRetrying, retry_if_exception, wait_exponential, wait_random

from containerd_client.errors import Aborted, ClientClosed, ContainerdError, Unavailable, is_ingest_locked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tenacity import RetryCallState


class Retry(Enum):
    """What a second call of a method would do, and therefore whether it may be retried."""

    READ = auto()
    """The method changes nothing: retry."""
    IDEMPOTENT_WRITE = auto()
    """Calling it twice has the same effect as calling it once: retry. See also GONE_IS_DONE."""
    CHECK_FIRST = auto()
    """A second call would fail or do harm: look whether the first one took effect, and retry only if it did not."""
    NEVER = auto()
    """Not retried here: a retry is impossible, or the caller knows better when and how."""


_READ, _WRITE, _CHECK, _NEVER = Retry.READ, Retry.IDEMPOTENT_WRITE, Retry.CHECK_FIRST, Retry.NEVER

_BY_SERVICE: Final[Mapping[str, Mapping[str, Retry]]] = {
    "containerd.services.containers.v1.Containers": {
        "Get": _READ,
        "List": _READ,
        "ListStream": _READ,
        "Create": _CHECK,
        "Update": _WRITE,
        "Delete": _WRITE,
    },
    "containerd.services.tasks.v1.Tasks": {
        "Create": _CHECK,
        "Start": _CHECK,
        # Both return the exit code. A retry that finds nothing raises NotFound instead of inventing an exit code.
        "Delete": _WRITE,
        "DeleteProcess": _WRITE,
        "Get": _READ,
        "List": _READ,
        # At least once: a signal that arrives twice does no harm, while a lost signal leaves a process running.
        "Kill": _WRITE,
        "Exec": _CHECK,
        "ResizePty": _WRITE,
        "CloseIO": _WRITE,
        "Pause": _CHECK,
        "Resume": _CHECK,
        "ListPids": _READ,
        "Checkpoint": _NEVER,
        "Update": _WRITE,
        "Metrics": _READ,
        # The call is pending for as long as the process lives; the caller decides what a lost connection means.
        "Wait": _NEVER,
    },
    "containerd.services.images.v1.Images": {
        "Get": _READ,
        "List": _READ,
        "Create": _CHECK,
        "Update": _WRITE,
        "Delete": _WRITE,
    },
    "containerd.services.content.v1.Content": {
        "Info": _READ,
        "Update": _WRITE,
        "List": _READ,
        "Delete": _WRITE,
        # Retried only where the whole blob is collected first; pieces already passed to the caller cannot be taken
        # back.
        "Read": _READ,
        "Status": _READ,
        "ListStatuses": _READ,
        # The caller, who has the bytes, resumes a broken write at the offset that the ingest reached.
        "Write": _NEVER,
        "Abort": _WRITE,
    },
    "containerd.services.snapshots.v1.Snapshots": {
        "Prepare": _CHECK,
        "View": _CHECK,
        "Mounts": _READ,
        "Commit": _CHECK,
        "Remove": _WRITE,
        "Stat": _READ,
        "Update": _WRITE,
        "List": _READ,
        "Usage": _READ,
        "Cleanup": _WRITE,
    },
    "containerd.services.diff.v1.Diff": {
        # A half-applied layer is discarded with its snapshot; applying it a second time onto the same files is wrong.
        "Apply": _NEVER,
        "Diff": _NEVER,
    },
    "containerd.services.leases.v1.Leases": {
        "Create": _CHECK,
        "Delete": _WRITE,
        "List": _READ,
        "AddResource": _WRITE,
        "DeleteResource": _WRITE,
        "ListResources": _READ,
    },
    "containerd.services.events.v1.Events": {
        # An event that is published twice is two events.
        "Publish": _NEVER,
        "Forward": _NEVER,
        # Events.forever opens it again and has its caller re-read what was missed.
        "Subscribe": _NEVER,
    },
    "containerd.services.namespaces.v1.Namespaces": {
        "Get": _READ,
        "List": _READ,
        "Create": _CHECK,
        "Update": _WRITE,
        "Delete": _WRITE,
    },
    "containerd.services.introspection.v1.Introspection": {"Plugins": _READ, "Server": _READ, "PluginInfo": _READ},
    "containerd.services.version.v1.Version": {"Version": _READ},
    "containerd.services.transfer.v1.Transfer": {"Transfer": _NEVER},
    "containerd.services.streaming.v1.Streaming": {"Stream": _NEVER},
    "containerd.services.sandbox.v1.Store": {
        "Create": _CHECK,
        "Update": _WRITE,
        "Delete": _WRITE,
        "List": _READ,
        "Get": _READ,
    },
    "containerd.services.sandbox.v1.Controller": {
        "Create": _CHECK,
        "Start": _CHECK,
        "Platform": _READ,
        "Stop": _WRITE,
        "Wait": _NEVER,
        "Status": _READ,
        "Shutdown": _WRITE,
        "Metrics": _READ,
        "Update": _WRITE,
    },
    "containerd.services.mounts.v1.Mounts": {
        "Activate": _CHECK,
        "Deactivate": _WRITE,
        "Info": _READ,
        "Update": _WRITE,
        "List": _READ,
    },
}

RETRY: Final[Mapping[str, Retry]] = {
    f"{service}/{method}": rule for service, methods in _BY_SERVICE.items() for method, rule in methods.items()
}
"""Full method name → class."""

GONE_IS_DONE: Final[frozenset[str]] = frozenset(
    {
        "containerd.services.containers.v1.Containers/Delete",
        "containerd.services.images.v1.Images/Delete",
        "containerd.services.content.v1.Content/Delete",
        "containerd.services.content.v1.Content/Abort",
        "containerd.services.snapshots.v1.Snapshots/Remove",
        "containerd.services.leases.v1.Leases/Delete",
        "containerd.services.leases.v1.Leases/DeleteResource",
        "containerd.services.namespaces.v1.Namespaces/Delete",
        "containerd.services.sandbox.v1.Store/Delete",
        "containerd.services.sandbox.v1.Controller/Shutdown",
        "containerd.services.mounts.v1.Mounts/Deactivate",
    }
)
"""Deletes whose response is empty: NotFound on a retry means that an earlier attempt took effect."""

TAKEN_BACK: Final[frozenset[str]] = frozenset(
    {
        "containerd.services.tasks.v1.Tasks/Create",
        "containerd.services.sandbox.v1.Controller/Create",
    }
)
"""Creates that start a shim. After a restart containerd cleans up in the background what a lost create left behind.
Until it has, a retry fails with AlreadyExists although nothing is visible; that error goes away without help."""

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 0.4
BUDGET_AWAY: Final = 0.8
"""Seconds after the first failure for which a call is retried while no connection to containerd can be made."""
BUDGET: Final = 2.0
"""Seconds after the first failure for which a call is retried after any other failure."""


def worth_repeating(rule: Retry, error: ContainerdError) -> bool:
    """Return whether a call that failed with ``error`` may be retried."""
    if error.never_sent:
        return True
    if rule is Retry.NEVER or isinstance(error, ClientClosed) or is_ingest_locked(error):
        return False
    return isinstance(error, Unavailable | Aborted)


def attempts(
    rule: Retry, remaining: float | None, *, passes: Callable[[ContainerdError], bool] = lambda _: False
) -> AsyncRetrying:
    """Yield further attempts with pauses between them, for at most ``remaining`` seconds (None: no deadline).

    ``passes`` decides about failures that ``rule`` does not cover: it returns whether one goes away without help.

    tenacity counts a first attempt of its own; the caller raises in it the failure that led here. The last failure
    is raised to the caller.
    """

    def repeatable(error: BaseException) -> bool:
        return isinstance(error, ContainerdError) and (worth_repeating(rule, error) or passes(error))

    def exhausted(state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome is not None else None
        away = isinstance(error, ContainerdError) and error.never_sent
        limit = BUDGET_AWAY if away else BUDGET
        if remaining is not None:
            limit = min(limit, remaining)
        return (state.seconds_since_start or 0.0) + state.upcoming_sleep > limit

    return AsyncRetrying(
        retry=retry_if_exception(repeatable),
        stop=exhausted,
        wait=wait_exponential(multiplier=FIRST_PAUSE, max=LONGEST_PAUSE) + wait_random(0, FIRST_PAUSE / 2),
        reraise=True,
    )
