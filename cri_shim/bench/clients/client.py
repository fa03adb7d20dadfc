"""Call the endpoint of one side as a CRI client: RPCs by their names, messages in and out.

Requests are serialised before the clock starts, and answers stay bytes until they are read, so that only the endpoint
and one call are timed. The call itself, and the clock, are the caller's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeVar

import grpc
from google.protobuf.message import DecodeError

from cri_shim.bench.clients.api_version import ApiVersion, UnknownApiError, negotiate
from untrusted.text import escaped

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from cri_shim.bench.clients.caller import Answer, Caller

DEADLINE = 900.0
_LONGEST_DETAILS = 2000
"""How many characters of an endpoint's error text are shown."""

M = TypeVar("M", bound="Message")


class CallError(Exception):
    """A call that an endpoint refused or failed, or whose answer is not of the right kind; the text is for users."""

    def __init__(self, endpoint: str, rpc: str, code: grpc.StatusCode | None, details: str) -> None:
        """Keep the code, which is None for an answer that cannot be read as a CRI message."""
        status = f"{code.name}: " if code else ""
        super().__init__(f"{endpoint}: {rpc} failed: {status}{escaped(details, _LONGEST_DETAILS)}")
        self.rpc = rpc
        self.code = code
        self.details = details


class Client:
    """One endpoint and the caller that calls it."""

    def __init__(self, endpoint: str, caller: Caller) -> None:
        """Keep both; the first call connects and negotiates, which is why it is never one that counts."""
        self.endpoint = endpoint
        self._caller = caller
        self.about = caller.about
        self.pids: tuple[int, ...] = () if caller.pid is None else (caller.pid,)
        self._version: ApiVersion | None = None

    async def __aenter__(self) -> Self:
        """Give the client itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection."""
        await self._caller.close()

    async def version(self) -> ApiVersion:
        """Return the version of the CRI that the endpoint speaks. Raises :class:`CallError`."""
        if self._version is None:
            try:
                self._version = await negotiate(self._caller)
            except UnknownApiError as error:
                raise CallError(self.endpoint, "Version", grpc.StatusCode.UNIMPLEMENTED, str(error)) from error
            except grpc.aio.AioRpcError as error:
                raise CallError(self.endpoint, "Version", error.code(), error.details() or "") from error
        return self._version

    async def timed(self, rpc: str, request: bytes) -> Answer:
        """Call with a serialised request of v1. Raises :class:`CallError`."""
        version = self._version or await self.version()
        try:
            return await self._caller.call(version.path(rpc), version.request(rpc, request), DEADLINE)
        except grpc.aio.AioRpcError as error:
            raise CallError(self.endpoint, rpc, error.code(), error.details() or "") from error

    async def ask(self, rpc: str, request: Message, kind: type[M]) -> M:
        """Call without a clock, message to message. Raises :class:`CallError`."""
        answer = await self.timed(rpc, request.SerializeToString())
        try:
            return answer.read(kind)
        except DecodeError as error:
            raise CallError(self.endpoint, rpc, None, f"its answer cannot be read as {kind.DESCRIPTOR.name}") from error
