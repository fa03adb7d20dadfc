"""One node for these tests, with the local HTTP listener of its daemon."""

from __future__ import annotations

import asyncio
import json
import shutil
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.message_factory import GetMessageClass

from cri_shim.ledger.bill_text import KEY, parse_bill
from lab.cri_client import OPTIONS, SERVICES
from lab.lab import Lab

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lab() -> AsyncIterator[Lab]:
    """A node whose pods the tests remove themselves; its daemon can estimate what transport takes."""
    if shutil.which("containerd") is None:
        pytest.skip("containerd is not installed")
    async with Lab("bridge") as node:
        web = Web((node.bridge.state / "http-address").read_text().strip())
        async with asyncio.timeout(30):
            while (await asyncio.to_thread(web.json, "/api/node"))["null_hop_ms"] is None:
                await asyncio.sleep(0.05)
        yield node


@dataclass(slots=True)
class Web:
    """The listener of a daemon."""

    address: str

    def get(self, path: str, **headers: str) -> bytes:
        """The body of an answer; raises urllib.error.HTTPError."""
        request = urllib.request.Request(f"http://{self.address}{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            body: bytes = response.read()
            return body

    def json(self, path: str) -> Any:
        """The same, parsed."""
        return json.loads(self.get(path))


@pytest.fixture
def web(lab: Lab) -> Web:
    """The listener of the node's daemon."""
    return Web((lab.bridge.state / "http-address").read_text().strip())


async def billed(
    lab: Lab, name: str, metadata: tuple[tuple[str, str], ...] = (), **fields: Any
) -> tuple[Any, dict[str, str]]:
    """Make a call of the runtime service; its response, and its trailing metadata."""
    service, method = next(
        (service.full_name, method)
        for service in SERVICES.values()
        for method in service.methods
        if method.name == name
    )
    request = GetMessageClass(method.input_type)(**fields)
    response: Any
    async with grpc.aio.insecure_channel(lab.endpoint, options=OPTIONS) as channel:
        call = channel.unary_unary(
            f"/{service}/{name}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )(request, metadata=metadata)
        try:
            response = await call
        except grpc.aio.AioRpcError as error:
            response = error
        return response, {key: str(value) for key, value in await call.trailing_metadata()}


def bill(trailer: dict[str, str]) -> dict[str, Any]:
    """The bill in trailing metadata."""
    return parse_bill(trailer[KEY])
