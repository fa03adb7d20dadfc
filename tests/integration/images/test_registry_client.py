"""What is asked of a registry, and what each way of misbehaving becomes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from containerd_client.distribution.registries.hosts import Host, default_host
from containerd_client.distribution.registries.registry import RegistryClient, Source
from containerd_client.distribution.values.errors import (
    CorruptBlobError,
    DistributionError,
    ManifestError,
    NotInRegistryError,
    RegistryUnavailableError,
    TransferError,
    UnauthorizedError,
)
from containerd_client.distribution.values.manifest import Descriptor
from containerd_client.distribution.values.reference import parse_reference
from lab.images import Tree, build_image
from lab.registry import free_port
from tests.fakes.registry import FaultyRegistry

IMAGE = build_image(Tree().file("x", bytes(100_000)).layer("application/vnd.oci.image.layer.v1.tar"))
LAYER = Descriptor(IMAGE.layers[0].media_type, IMAGE.layers[0].digest, len(IMAGE.layers[0].blob))


@pytest.fixture
def faulty():
    with FaultyRegistry({"app:1": IMAGE}) as registry:
        yield registry


@pytest.fixture
async def client():
    client = RegistryClient()
    yield client
    await client.close()


def source(registry, text="app:1", *mirrors):
    reference = parse_reference(f"{registry.address}/{text}")
    return Source(reference, (*mirrors, default_host(reference.domain)))


async def read(client, where, offset=0, **options):
    async with client.blob(where, LAYER, offset=offset, **options) as body:
        return b"".join([chunk async for chunk in body.chunks])


async def test_resolve_by_head(client, faulty):
    """A tag costs one HEAD."""
    resolved = await client.resolve(source(faulty))
    assert resolved == Descriptor(IMAGE.media_type, IMAGE.digest, len(IMAGE.manifest))
    assert [(one.method, one.path) for one in faulty.asked] == [("HEAD", "/v2/app/manifests/1")]


async def test_resolve_by_get_where_head_is_refused(client, faulty):
    """A registry without HEAD is asked by GET, and its answer hashed."""
    faulty.no_head = True
    assert (await client.resolve(source(faulty))).digest == IMAGE.digest


async def test_resolve_by_digest_is_verified(client, faulty):
    """Who asks by digest never gets another manifest."""
    faulty.no_head = True
    faulty.lies[IMAGE.digest] = IMAGE.manifest + b" "
    with pytest.raises(CorruptBlobError, match="another digest"):
        await client.resolve(source(faulty, f"app@{IMAGE.digest}"))


async def test_absent(client, faulty):
    """What is not there is said with the name and the place."""
    with pytest.raises(NotInRegistryError, match=rf"{faulty.address}/app:2: not found at http://{faulty.address}"):
        await client.resolve(source(faulty, "app:2"))


@pytest.mark.parametrize(
    ("status", "kind"), [(401, UnauthorizedError), (403, UnauthorizedError), (418, RegistryUnavailableError)]
)
async def test_refused(client, faulty, status, kind):
    """A required login and a malformed answer are distinguished."""
    faulty.answers["manifests"] = [(status, {})] * 2
    with pytest.raises(kind, match=str(status)):
        await client.resolve(source(faulty))


async def test_busy_is_asked_again(client, faulty):
    """429 with Retry-After and 503 without are waited for."""
    faulty.no_head = True
    faulty.answers["manifests"] = [(405, {}), (429, {"Retry-After": "0"}), (503, {})]
    assert (await client.resolve(source(faulty))).digest == IMAGE.digest


async def test_busy_for_good(faulty):
    """A registry that stays busy is unavailable after a few tries, each after a longer pause."""
    client = RegistryClient(patience=1)
    faulty.answers["manifests"] = [(503, {"Retry-After": "0"})] * 50
    with pytest.raises(RegistryUnavailableError, match="503"):
        await client.resolve(source(faulty))
    await client.close()
    assert 3 <= len(faulty.asked) <= 5


async def test_endless_redirect(client, faulty):
    """A registry that sends us round and round is left."""
    faulty.answers["manifests"] = [(302, {"Location": "/v2/app/manifests/1"})] * 100
    with pytest.raises(RegistryUnavailableError, match="redirect"):
        await client.resolve(source(faulty))


async def test_huge_manifest(client, faulty):
    """A manifest without end is not read to its end."""
    faulty.no_head = True
    faulty.lies[IMAGE.digest] = bytes(20 << 20)
    with pytest.raises(ManifestError, match="too many"):
        await client.resolve(source(faulty))


async def test_no_registry_there(client, faulty):
    """A refused connection names the host."""
    faulty.__class__.address.fget(faulty)
    nowhere = Source(parse_reference(f"127.0.0.1:{free_port()}/app:1"), (Host(f"http://127.0.0.1:{free_port()}/v2"),))
    with pytest.raises(RegistryUnavailableError, match=r"http://127\.0\.0\.1:\d+/v2/app/manifests/1"):
        await client.resolve(nowhere)


async def test_mirror_first_then_upstream(client, faulty):
    """A dead mirror and one without the image are skipped; the request names the registry of the image."""
    dead = Host(f"http://127.0.0.1:{free_port()}/v2", mirror=True)
    with FaultyRegistry({}) as empty:
        lacking = Host(f"http://{empty.address}/v2", mirror=True)
        resolved = await client.resolve(source(faulty, "app:1", dead, lacking))
        assert empty.count("manifests/1", "HEAD") == 1
    assert resolved.digest == IMAGE.digest


async def test_only_hosts_with_the_capability_are_asked(client, faulty):
    """A host that may only pull is not asked to resolve."""
    where = Source(parse_reference("q.io/app:1"), (Host(f"http://{faulty.address}/v2", frozenset({"pull"})),))
    with pytest.raises(RegistryUnavailableError, match="capability resolve"):
        await client.resolve(where)
    assert (
        await client.manifest(where, Descriptor(IMAGE.media_type, IMAGE.digest, len(IMAGE.manifest))) == IMAGE.manifest
    )


@pytest.mark.parametrize("ignored", [False, True])
async def test_blob_from_an_offset(client, faulty, ignored):
    """The rest of a blob comes from its offset, also from a server that ignores ranges."""
    faulty.ignore_ranges = ignored
    assert await read(client, source(faulty), 70_001) == IMAGE.layers[0].blob[70_001:]


async def test_cut_blob(client, faulty):
    """A connection that breaks is an error that may be tried again."""
    faulty.cuts[LAYER.digest] = [50_000]
    with pytest.raises(TransferError):
        await read(client, source(faulty))


async def test_silent_server(client, faulty):
    """No byte for the read timeout ends the attempt."""
    faulty.stalls[LAYER.digest] = 3
    with pytest.raises(TransferError, match="no byte in time"):
        await read(client, source(faulty), read_timeout=0.2)


async def test_other_length_announced(client, faulty):
    """A length that contradicts the manifest is noticed before a byte is taken."""
    faulty.lies[LAYER.digest] = bytes(7)
    with pytest.raises(CorruptBlobError, match="announces 7 bytes"):
        await read(client, source(faulty))


async def test_wrong_manifest(client, faulty):
    """A manifest with other bytes than its digest promises is refused."""
    wanted = Descriptor(IMAGE.media_type, IMAGE.digest, len(IMAGE.manifest))
    faulty.lies[IMAGE.digest] = IMAGE.manifest[:-1] + b" "
    with pytest.raises(DistributionError, match="digest"):
        await client.manifest(source(faulty), wanted)
    faulty.lies[IMAGE.digest] = IMAGE.manifest[:-1]
    with pytest.raises(CorruptBlobError, match="bytes where"):
        await client.manifest(source(faulty), wanted)


def test_aiohttp_is_imported_by_the_first_request_only():
    """A daemon that pulls nothing does not pay for the HTTP library."""
    code = (
        "import sys; import cri_shim.images.puller; import containerd_client.distribution.registries.registry as r; "
        "r.RegistryClient(); sys.exit('aiohttp' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
