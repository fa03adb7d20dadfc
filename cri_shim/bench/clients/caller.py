"""Define what makes the calls of a comparison and holds the clock: the in-process Python client, or another program.

Both get a serialised request and return bytes together with the time that the call took on *their* clock, so that a
result shows the client's own time and never that of the program which drives it.
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
    """One answer: its bytes, the milliseconds it took, and the bill if the endpoint wrote one."""

    __slots__ = ("bill", "content", "ms")

    def __init__(self, content: bytes, ms: float, bill: str) -> None:
        """Keep the three."""
        self.content = content
        self.ms = ms
        self.bill = bill

    def read(self, kind: type[M]) -> M:
        """Return the answer as a message."""
        return kind.FromString(self.content)


class Caller(Protocol):
    """One connection to one endpoint."""

    @property
    def about(self) -> CallingClient:
        """The name and version of the client, for the result."""
        ...

    @property
    def pid(self) -> int | None:
        """The process that makes the calls if it is not this one; its CPU time is the client's."""
        ...

    async def call(self, path: str, request: bytes, deadline: float) -> Answer:
        """Call the method at ``/package.Service/Method``; ``deadline`` is in seconds.

        Raises :class:`grpc.aio.AioRpcError` when the endpoint answers with an error or not at all.
        """
        ...

    async def close(self) -> None:
        """Close the connection."""
        ...


def sent_now() -> tuple[str, str]:
    """Return the metadata pair that says that the request is sent now."""
    return client_time.KEY, str(time.time_ns())


def bill_of(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """Return the bill in trailing metadata; empty when the endpoint wrote none."""
    return next((str(value) for key, value in metadata if key == bill_text.KEY), "")
