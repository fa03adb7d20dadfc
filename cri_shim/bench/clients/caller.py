"""What makes the calls of a comparison and holds the clock: the in-process Python client, or a program of its own.

Both are given a serialised request and give back bytes with the time that the call took on *their* clock, so that what
a result shows is the client's own time and never that of the program which drives it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol, TypeVar

from cri_shim.ledger import bill_text
from cri_shim.ledger.front import client_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.message import Message

    from cri_shim.bench.results.schema import CallingClient

M = TypeVar("M", bound="Message")


class Answer:
    """What came back: bytes, how long it took (ms), and the bill if the endpoint wrote one."""

    __slots__ = ("bill", "content", "ms")

    def __init__(self, content: bytes, ms: float, bill: str) -> None:
        """Keep the three."""
        self.content = content
        self.ms = ms
        self.bill = bill

    def read(self, kind: type[M]) -> M:
        """The answer as a message."""
        return kind.FromString(self.content)


class Caller(Protocol):
    """One connection to one endpoint."""

    @property
    def about(self) -> CallingClient:
        """What makes the calls, for the result."""
        ...

    @property
    def pid(self) -> int | None:
        """The process that makes them, where it is not this one; its CPU time is the client's."""
        ...

    async def call(self, path: str, request: bytes, deadline: float) -> Answer:
        """Call the method at ``/package.Service/Method``; ``deadline`` is in seconds.

        Raises :class:`grpc.aio.AioRpcError` when the endpoint answers with an error or not at all.
        """
        ...

    async def close(self) -> None:
        """End the connection."""
        ...


def sent_now() -> tuple[str, str]:
    """The pair of metadata that says that a request is sent at this moment."""
    return client_time.KEY, str(time.time_ns())


def bill_of(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """The bill in trailing metadata; empty when the endpoint wrote none."""
    return next((str(value) for key, value in metadata if key == bill_text.KEY), "")
