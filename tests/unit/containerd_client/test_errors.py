"""gRPC's status becomes the right class, and the words stay."""

from __future__ import annotations

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from containerd_client import errors

METHOD = "containerd.services.tasks.v1.Tasks/Create"


def rpc_error(code: grpc.StatusCode, details: str) -> AioRpcError:
    return AioRpcError(code, Metadata(), Metadata(), details)


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_code_has_its_class(code):
    """No status falls through to the base class or to another one's."""
    error = errors.from_rpc_error(METHOD, rpc_error(code, "words of containerd"))
    assert type(error) is errors.BY_CODE[code.name]
    assert (error.code, error.method, error.detail) == (code.name, METHOD, "words of containerd")
    assert str(error) == "Tasks/Create: words of containerd"


def test_no_connection_differs_from_a_broken_one():
    """Only gRPC's own refusal to send counts as never sent."""
    refused = errors.from_rpc_error(
        METHOD,
        rpc_error(
            grpc.StatusCode.UNAVAILABLE,
            "failed to connect to all addresses; last error: UNAVAILABLE: unix:/x: connect: No such file or directory",
        ),
    )
    assert refused.never_sent
    assert "No such file or directory" in str(refused)
    broken = errors.from_rpc_error(METHOD, rpc_error(grpc.StatusCode.UNAVAILABLE, "Socket closed"))
    assert isinstance(broken, errors.Unavailable)
    assert not broken.never_sent


def test_a_locked_ingest_is_not_an_absent_containerd():
    """containerd uses Unavailable for both."""
    locked = errors.Unavailable("m", "ref layer-sha256:00 locked for 12.3s (since …): unavailable")
    assert errors.is_ingest_locked(locked)
    assert not errors.is_ingest_locked(errors.Unavailable("m", "Socket closed"))
    assert not errors.is_ingest_locked(errors.Unknown("m", "ref x locked for 1s"))


@pytest.mark.parametrize("detail", ["ttrpc: closed: unknown", "ttrpc: closed"])
def test_a_shim_that_is_gone_is_recognised(detail):
    """containerd has no code of its own for it."""
    assert errors.is_shim_gone(errors.Unknown(METHOD, detail))
    assert not errors.is_shim_gone(errors.Unknown(METHOD, "OCI runtime create failed"))


@pytest.mark.parametrize("size", [9_000, 20_000, 3_000_000])
async def test_a_text_of_any_size_arrives(client, fake, size):
    """gRPC's own limit for metadata would lose the text, and put another code in place of containerd's."""
    said = f"begin {'word ' * (size // 5)}end"
    fake.script["containerd.services.version.v1.Version/Version"] = [(grpc.StatusCode.UNKNOWN, said)]
    with pytest.raises(errors.Unknown, match=r"(?s)begin word.*word end$") as failed:
        await client.version.get()
    assert len(failed.value.detail) <= (1 << 16) + 100
    assert size < 1 << 16 or "characters left out" in failed.value.detail
