"""What a session sees of its client, whatever lies between them: one interface for SPDY and WebSocket."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class ClientGoneError(ConnectionError):
    """The client has hung up, broken the protocol or been idle for too long; nobody hears anything any more."""


class Output(enum.Enum):
    """The two streams that a process writes to."""

    STDOUT = "stdout"
    STDERR = "stderr"


class Wanted(Struct, frozen=True):
    """Which streams the request asked for; a terminal has no stderr of its own."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


class Size(Struct, frozen=True):
    """A terminal's size in characters."""

    width: int
    height: int


class Outcome(Struct, frozen=True):
    """How a session ended: ``error`` where something failed, else the exit code of what ran (0 for attach)."""

    exit_code: int = 0
    error: str = ""


class RemoteClient(Protocol):
    """The client of one exec or attach. All methods raise ClientGoneError once it is gone."""

    async def read_stdin(self) -> bytes:
        """Some bytes for stdin; none: there will be no more."""
        ...

    async def read_size(self) -> Size:
        """The next size of the client's terminal; waits for ever where there is none."""
        ...

    async def write(self, output: Output, data: bytes) -> None:
        """Send output, and return when the client can be sent more."""
        ...

    async def gone(self) -> None:
        """Return when the client is gone."""
        ...

    async def finish(self, outcome: Outcome) -> None:
        """Say how it ended and close in good order."""
        ...


class RemoteRequest(Struct, frozen=True):
    """An exec or attach that waits for its client. ``run`` may raise ClientGoneError."""

    wanted: Wanted
    run: Callable[[RemoteClient], Awaitable[Outcome]]
