"""Blobs: written, read, resumed, there already, refused."""

from __future__ import annotations

import asyncio
import hashlib
import os
from contextlib import aclosing

import pytest

from containerd_client import (
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    OutOfRange,
    ResourceExhausted,
    Unavailable,
    is_ingest_locked,
)
from containerd_client.api.containerd.services.content.v1 import content_pb2

ROOT = {"containerd.io/gc.root": "now"}


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


async def test_write_read_label_delete(client):
    """What was written is what is read, whole and in part, and it carries its labels."""
    data = os.urandom((3 << 20) + 17)
    digest = digest_of(data)
    await client.content.write_blob("w", data, digest, ROOT)
    assert await client.content.read_all(digest, 4 << 20) == data
    assert (
        b"".join([piece async for piece in client.content.read(digest, offset=1000, size=2 << 20)])
        == (data[1000 : 1000 + (2 << 20)])
    )
    info = await client.content.info(digest)
    assert (info.size, dict(info.labels)) == (len(data), ROOT)
    await client.content.update(content_pb2.Info(digest=digest, labels={"x": "y"}), "labels.x")
    assert [one.digest for one in await client.content.walk("labels.x==y")] == [digest]
    await client.content.delete(digest)
    with pytest.raises(NotFound):
        await client.content.info(digest)


async def test_a_blob_beyond_the_limit_is_not_read(client):
    """A limit protects the reader's memory."""
    data = b"x" * 1000
    await client.content.write_blob("w", data, digest_of(data), ROOT)
    with pytest.raises(ResourceExhausted, match="1000 bytes, more than the limit of 999"):
        await client.content.read_all(digest_of(data), 999)


async def test_leaving_a_read_early_ends_the_stream(client, hops):
    """Nothing stays in flight."""
    data = os.urandom(8 << 20)
    await client.content.write_blob("w", data, digest_of(data), ROOT)
    async with aclosing(client.content.read(digest_of(data))) as pieces:
        async for _ in pieces:
            break
    assert "0 calls in flight" in repr(client)
    assert hops[-1].method.endswith("/Read")
    assert hops[-1].bytes_in < 4 << 20


async def test_a_write_is_resumed_where_it_stopped(client):
    """An ingest keeps its bytes when the writer leaves; the next one goes on at the offset, and no lock is left."""
    data = os.urandom(2 << 20)
    digest = digest_of(data)
    async with client.content.writer("r", size=len(data), expected=digest) as writer:
        await writer.write(data[: 1 << 20])
    status = await client.content.status("r")
    assert (status.offset, status.total) == (1 << 20, len(data))
    async with client.content.writer("r", size=len(data), expected=digest) as writer:
        assert writer.offset == 1 << 20
        await writer.write(data[writer.offset :])
        assert await writer.commit(len(data), digest, ROOT) == digest
    assert await client.content.read_all(digest, len(data)) == data
    with pytest.raises(NotFound):
        await client.content.status("r")


async def test_truncate_begins_again(client):
    """Wrong bytes of an earlier try do not spoil the blob."""
    data = b"right" * 1000
    async with client.content.writer("t") as writer:
        await writer.write(b"wrong")
        await writer.truncate()
        assert writer.offset == 0
        await writer.write(data)
        assert await writer.commit(labels=ROOT) == digest_of(data)


async def test_a_blob_that_is_there_is_no_error(client):
    """Noticed at the opening when the digest is known, else at the commit; write_blob adds its labels."""
    data = b"twice"
    digest = digest_of(data)
    await client.content.write_blob("a", data, digest, ROOT)
    async with client.content.writer("b", size=len(data), expected=digest) as writer:
        assert writer.exists
        await writer.write(data)
        assert await writer.commit(len(data), digest) == digest
    async with client.content.writer("c") as writer:
        assert not writer.exists
        await writer.write(data)
        assert await writer.commit(len(data), digest) == digest
        assert writer.exists
    await client.content.write_blob("d", data, digest, {"more": "1"})
    assert dict((await client.content.info(digest)).labels) == {**ROOT, "more": "1"}


async def test_a_wrong_digest_is_refused(client):
    """containerd checks what it stores."""
    with pytest.raises(FailedPrecondition):
        await client.content.write_blob("w", b"data", digest_of(b"other"), ROOT)
    with pytest.raises(NotFound):
        await client.content.info(digest_of(b"data"))


async def test_a_ref_that_is_held_is_unavailable_at_once(client):
    """And recognisable as a lock, not as an absent containerd."""
    async with client.content.writer("held") as writer:
        await writer.write(b"x")
        with pytest.raises(Unavailable) as failure:
            async with client.content.writer("held"):
                pass
        assert is_ingest_locked(failure.value)
    assert [status.ref for status in await client.content.list_statuses()] == ["held"]
    await client.content.abort("held")
    assert await client.content.list_statuses() == []


async def test_abort_on_error_leaves_no_ingest(client):
    """A caller that cannot resume says so."""
    with pytest.raises(RuntimeError):
        async with client.content.writer("gone", abort_on_error=True) as writer:
            await writer.write(b"x")
            raise RuntimeError
    # containerd notices the end of a cut stream a moment later.
    async with asyncio.timeout(5):
        while await client.content.list_statuses():
            await asyncio.sleep(0.05)


async def test_bad_requests(client):
    """An offset beyond the end, a digest that is none, a writer outside its block."""
    data = b"abc"
    await client.content.write_blob("w", data, digest_of(data), ROOT)
    with pytest.raises(OutOfRange):
        [piece async for piece in client.content.read(digest_of(data), offset=10)]
    with pytest.raises((InvalidArgument, NotFound)):
        await client.content.info("sha256:short")
    async with client.content.writer("late") as writer:
        pass
    with pytest.raises(ValueError, match="closed"):
        await writer.write(b"x")
    await client.content.abort("late")


async def test_containerd_dies_in_the_middle_of_a_write(own):
    """The writer gets Unavailable, and what was written is there when containerd is back."""
    from containerd_client import Containerd

    data = os.urandom(2 << 20)
    async with Containerd(own.address, namespace="n") as client:
        await client.namespaces.ensure("n")
        with pytest.raises(Unavailable):
            async with client.content.writer("d", size=len(data), expected=digest_of(data)) as writer:
                await writer.write(data[: 1 << 20])
                await own.kill9()
                await writer.write(data[1 << 20 :])
        await own.start()
        # A stream is not retried, and one that began on the old connection would fail; this call waits for a new one.
        await client.namespaces.ensure("n")
        async with client.content.writer("d", size=len(data), expected=digest_of(data)) as writer:
            assert writer.offset == 1 << 20
            await writer.write(data[writer.offset :])
            await writer.commit(len(data), digest_of(data), ROOT)
        assert await client.content.read_all(digest_of(data), len(data)) == data
