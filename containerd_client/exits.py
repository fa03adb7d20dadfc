"""Exit code and exit time of a process, and how to read them from containerd's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from containerd_client.api.containerd.services.sandbox.v1 import sandbox_pb2
    from containerd_client.api.containerd.services.tasks.v1 import tasks_pb2


class Exit(Struct, frozen=True):
    """Exit code and time of a process."""

    code: int
    """As the shim reports it: 128 + n for a process that was killed by signal n."""
    exited_at_ns: int
    """Nanoseconds since the epoch; 0 if the process never ran."""
    pid: int = 0
    """0 where containerd does not report it."""


def exit_of_delete(response: tasks_pb2.DeleteResponse) -> Exit:
    """Return the exit from the answer to a delete."""
    return Exit(response.exit_status, response.exited_at.ToNanoseconds(), response.pid)


def exit_of_wait(response: tasks_pb2.WaitResponse | sandbox_pb2.ControllerWaitResponse) -> Exit:
    """Return the exit from the answer to a wait, which contains no pid."""
    return Exit(response.exit_status, response.exited_at.ToNanoseconds())
