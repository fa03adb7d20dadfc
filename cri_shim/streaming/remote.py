"""What a session sees of its client, whatever is between them: one interface for SPDY and WebSocket."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class ClientGoneError(ConnectionError):
    """The client has hung up, broken the protocol or been idle for too long, so nothing more can reach it."""


class Output(enum.Enum):
    """The two streams that a process writes to."""

    STDOUT = "stdout"
    STDERR = "stderr"


class RequestedStreams(Struct, frozen=True):
    """The streams that the request asked for; a terminal has no separate stderr."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


class Size(Struct, frozen=True):
    """A terminal's size in characters."""

    width: int
    height: int


class Outcome(Struct, frozen=True):
    """How a session ended: ``error`` if something failed, else the exit code of the command (0 for attach)."""

    exit_code: int = 0
    error: str = ""


class RemoteClient(Protocol):
    """The client of one exec or attach.

    All methods raise ``ClientGoneError`` once it is gone.
    """

    async def read_stdin(self) -> bytes:
        """Return the next bytes for stdin; none at the end."""
        ...

    async def read_size(self) -> Size:
        """Return the next size of the client's terminal; wait for ever if it has none."""
        ...

    async def write(self, output: Output, data: bytes) -> None:
        """Send output, and return when more can be sent to the client."""
        ...

    async def gone(self) -> None:
        """Return when the client is gone."""
        ...

    async def finish(self, outcome: Outcome) -> None:
        """Send the outcome and close in good order."""
        ...


class RemoteRequest(Struct, frozen=True):
    """An exec or attach that waits for its client.

    ``run`` may raise ``ClientGoneError``.
    """

    wanted: RequestedStreams
    run: Callable[[RemoteClient], Awaitable[Outcome]]
