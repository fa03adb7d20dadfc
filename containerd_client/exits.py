"""Exit code and exit time of a process, and how to read them from containerd's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from containerd_client.encoding.timestamps import nanoseconds

_LARGEST_CODE = (1 << 31) - 1

if TYPE_CHECKING:
    from containerd_client.api.containerd.services.sandbox.v1 import sandbox_pb2
    from containerd_client.api.containerd.services.tasks.v1 import tasks_pb2


class Exit(Struct, frozen=True):
    """Exit code and time of a process."""

    code: int
    """As the shim reports it: 128 + n for a process that was killed by signal n. A number of 32 bits with a sign."""
    exited_at_ns: int
    """Nanoseconds since the epoch; 0 if the process never ran. At most 2^63 - 1."""
    pid: int = 0
    """0 where containerd does not report it."""


def exit_code(status: int) -> int:
    """Return a shim's 32 bits as a number with a sign, which is what Go's clients make of them."""
    return status if status <= _LARGEST_CODE else status - (1 << 32)


def exit_of_delete(response: tasks_pb2.DeleteResponse) -> Exit:
    """Return the exit from the answer to a delete."""
    return Exit(exit_code(response.exit_status), nanoseconds(response.exited_at), response.pid)


def exit_of_wait(response: tasks_pb2.WaitResponse | sandbox_pb2.ControllerWaitResponse) -> Exit:
    """Return the exit from the answer to a wait, which contains no pid."""
    return Exit(exit_code(response.exit_status), nanoseconds(response.exited_at))
