"""Services that came after containerd 1.6, as far as the client offers them; the daemon needs none of them."""

from __future__ import annotations

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage

from containerd_client import ContainerdError, Unavailable, Unimplemented
from containerd_client.api.containerd.services.sandbox.v1 import sandbox_pb2
from containerd_client.api.containerd.types import types_pb2


async def test_services_of_later_versions_are_unimplemented_or_work(client, version):
    """A caller can tell what this containerd lacks of the services that came with 1.7, 2.0 and 2.2."""
    runtime = ("io.containerd.runtime.v2", "task")
    for since, call in (
        ((1, 7), lambda: client.transfer.transfer(AnyMessage(), AnyMessage())),
        ((1, 7), client.sandboxes.list),
        ((1, 7), lambda: client.sandbox_controller.status("x")),
        ((1, 7), lambda: client.streaming.open("x")),
        ((2, 0), lambda: client.introspection.plugin_info(*runtime)),
        ((2, 2), client.mounts.list),
    ):
        if version < since:
            with pytest.raises((Unimplemented, Unavailable)) as refused:
                await call()
            # gRPC loses the status of a stream that is refused while its first message is being sent.
            assert refused.type is Unimplemented or "while a message was being sent" in refused.value.detail
        else:
            try:
                await call()
            except Unimplemented as error:
                # Transfer says so of its own accord about types it cannot move.
                assert "unknown service" not in error.detail, error
                assert "unknown method" not in error.detail, error
            except ContainerdError as error:
                assert error.code in {"NOT_FOUND", "INVALID_ARGUMENT", "UNKNOWN"}, error


async def test_the_sandbox_store(client, version):
    """From 1.7 on: create, look, update, list, delete."""
    if version < (1, 7):
        pytest.skip("the sandbox store came with 1.7")
    wanted = types_pb2.Sandbox(sandbox_id="s1", labels={"a": "b"}, sandboxer="podsandbox")
    wanted.runtime.name = "io.containerd.runc.v2"
    wanted.spec.CopyFrom(AnyMessage(type_url="x", value=b"{}"))
    request = sandbox_pb2.StoreCreateRequest(sandbox=wanted)
    assert await client.sandboxes._check_created(request) is None
    await client.sandboxes.create(wanted)
    assert await client.sandboxes._check_created(request) is not None
    await client.sandboxes.update(types_pb2.Sandbox(sandbox_id="s1", labels={"a": "c"}), "labels.a")
    assert (await client.sandboxes.get("s1")).labels["a"] == "c"
    assert [sandbox.sandbox_id for sandbox in await client.sandboxes.list()] == ["s1"]
    await client.sandboxes.delete("s1")
    assert await client.sandboxes.list() == []
