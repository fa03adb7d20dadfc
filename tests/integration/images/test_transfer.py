"""Pulls by containerd's Transfer service give what pulls by the daemon give.

CONTAINERD_BINARIES names a folder with a containerd of 1.7 or later and its shims.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import pytest

from containerd_client.distribution.registries.credentials import Credentials
from containerd_client.distribution.transfer_pull import TransferPull
from containerd_client.distribution.values.errors import RefusedByPolicyError
from containerd_client.errors import ContainerdError
from cri_shim.errors import CriError, DeadlineExceededError, FailedPreconditionError, NotFoundError
from cri_shim.images.verifier import ImageVerifier
from lab.certificates import Authority
from lab.containerd import PrivateContainerd
from lab.images import OCI_LAYER_PLAIN, Layer, Tree, build_image, build_index, digest_of, push
from lab.registry import Registry
from tests.fakes.registry import FaultyRegistry
from tests.integration.images.conftest import NAMES, parts_of

pytestmark = pytest.mark.root

BINARIES = os.environ.get("CONTAINERD_BINARIES")
newer = pytest.mark.skipif(not BINARIES, reason="CONTAINERD_BINARIES names no folder with containerd 1.7 or later")


def image_of(layers: int = 2, **options):
    return build_image(
        *(Tree().file(f"f{n}", os.urandom(5000)).layer(OCI_LAYER_PLAIN) for n in range(layers)), **options
    )


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def modern(tmp_path_factory, authority):
    """One containerd that has the service, and trusts the authority as it would a public one."""
    private = PrivateContainerd(tmp_path_factory.mktemp("m"), cri_plugin=False, binaries=Path(BINARIES or ""))
    private.daemon.environment = {**private.daemon.environment, "SSL_CERT_FILE": str(authority.certificate)}
    private.start()
    yield private
    private.stop()


@pytest.fixture(autouse=True)
def always(monkeypatch):
    """The service is used even where the daemon would not, which on 1.7 is any registry on loopback."""

    async def yes(*_):
        return True

    monkeypatch.setattr(TransferPull, "serves", yes)


@pytest.fixture
def two(modern):
    """Skips where the service is that of 1.7, which knows neither hosts.toml nor plain HTTP."""
    if " v1." in modern.ctr("version") or "1.7." in modern.ctr("version"):
        pytest.skip("needs containerd 2")


@contextlib.contextmanager
def secure(directory, authority, images, **options):
    """A registry with TLS that serves these."""
    with Registry.start(directory) as plain:
        for name, image in images.items():
            push(plain.address, name, image)
    with Registry.start(directory, tls=authority, **options) as running:
        yield running


def trusting(tmp_path, authority, registry):
    """Directories of hosts for the pulls by the daemon itself."""
    directory = tmp_path / "certs.d" / registry.address
    directory.mkdir(parents=True)
    (directory / "hosts.toml").write_text(f'server = "https://{registry.address}"\nca = "{authority.certificate}"\n')
    return str(tmp_path / "certs.d")


def answers(images):
    """What CRI tells of them."""
    return sorted(
        (i.id, i.chain_id, i.size, sorted(i.references), i.repo_tags, i.repo_digests, i.config) for i in images.list()
    )


@newer
async def test_both_ways_give_the_same(modern, authority, tmp_path):
    """Same ids, names, sizes, chains, labels of records, blobs and snapshots; nothing in the making stays."""
    index = build_index(image_of(3, architecture="arm64"), image_of(3))
    results = []
    with secure(tmp_path / "r", authority, {"ways:1": index}) as registry:
        hosts = trusting(tmp_path, authority, registry)
        for settings in ({"config_path": hosts}, {"config_path": hosts, "transfer": True}):
            async with parts_of(modern, f"test-way-{next(NAMES)}", **settings) as parts:
                await parts.puller.pull(f"{registry.address}/ways:1")
                left = {kind: sorted(names) for kind, names in (await parts.left()).items()}
                records = {one.name: dict(one.labels) for one in await parts.containerd.images.list()}
                results.append((answers(parts.images), left, records))
                for image in parts.images.list():
                    await parts.images.remove(image)
                assert await parts.left() == {}
    client, transferred = results
    assert transferred == client


@newer
async def test_login(modern, authority, tmp_path):
    """containerd asks for the login on the stream; without it there is no image."""
    image = image_of()
    with secure(tmp_path, authority, {"secret:1": image}, login=("jane", "ganz-geheim")) as private:
        hosts = trusting(tmp_path, authority, private)
        async with parts_of(modern, f"test-login-{next(NAMES)}", transfer=True, config_path=hosts) as parts:
            reference = f"{private.address}/secret:1"
            with pytest.raises((CriError, ContainerdError), match=r"401|authoriz"):
                await parts.puller.pull(reference)
            with pytest.raises((CriError, ContainerdError), match=r"401|authoriz") as caught:
                await parts.puller.pull(reference, credentials=Credentials(username="jane", password="falsch-geheim"))
            assert "geheim" not in str(caught.value)
            login = Credentials(username="jane", password="ganz-geheim")
            assert (await parts.puller.pull(reference, credentials=login)).id == image.id


@newer
async def test_hosts_toml(modern, two, registry, tmp_path):
    """containerd reads the same directories."""
    image = image_of()
    push(registry.address, "mirrored:1", image)
    (tmp_path / "registry.example").mkdir()
    (tmp_path / "registry.example/hosts.toml").write_text(
        f'server = "http://127.0.0.1:1"\n[host."http://{registry.address}"]\n'
    )
    async with parts_of(
        modern, f"test-hosts-{next(NAMES)}", transfer=True, config_path=f"/nowhere:{tmp_path}"
    ) as parts:
        assert (await parts.puller.pull("registry.example/mirrored:1")).id == image.id


@newer
async def test_absent(modern, authority, tmp_path):
    """What the registry lacks is not found."""
    with secure(tmp_path, authority, {}) as registry:
        hosts = trusting(tmp_path, authority, registry)
        async with parts_of(modern, f"test-absent-{next(NAMES)}", transfer=True, config_path=hosts) as parts:
            with pytest.raises(NotFoundError):
                await parts.puller.pull(f"{registry.address}/nope:1")
            assert await parts.left() == {}


@newer
async def test_no_progress(modern, two):
    """A transfer in which nothing moves is ended after the time limit."""
    image = image_of(1)
    async with parts_of(modern, f"test-stuck-{next(NAMES)}", transfer=True, progress_timeout=1) as parts:
        with FaultyRegistry({"stuck:1": image}, stalls={image.layers[0].digest: 20}) as faulty:
            with pytest.raises(DeadlineExceededError, match=r"transfer of .*/stuck:1: no progress for 1 s"):
                await parts.puller.pull(f"{faulty.address}/stuck:1")


@newer
async def test_verifiers_are_asked_first(modern, two, registry):
    """What they allow is what containerd fetches, although the tag has moved meanwhile; what they refuse stays away."""
    good, bad = image_of(), image_of()
    push(registry.address, "policy:1", good)
    seen = []

    class Policy(ImageVerifier, frozen=True):
        async def programs(self):
            return ("any",)

        async def verify(self, name, target, programs):
            seen.append((name, target.digest))
            if len(seen) > 1:
                raise RefusedByPolicyError("not this one")
            push(registry.address, "policy:1", bad)

    reference = f"{registry.address}/policy:1"
    async with parts_of(modern, f"test-policy-{next(NAMES)}", transfer=True, verifier=Policy()) as parts:
        pulled = await parts.puller.pull(reference)
        assert (pulled.id, pulled.repo_tags) == (good.id, (reference,))
        with pytest.raises(CriError, match=r"^SignatureValidationFailed: .* not this one"):
            await parts.puller.pull(reference)
        assert seen == [(reference, good.digest), (reference, bad.digest)]
        assert [image.id for image in parts.images.list()] == [good.id]


@newer
async def test_an_artifact_leaves_no_record(modern, two, registry):
    """containerd brings it and makes a record of it; it is no image for CRI, and its record goes."""
    layer = Layer(b"chart", "application/vnd.example.chart", digest_of(b"chart"))
    artifact = build_image(layer)
    push(registry.address, "artifact:1", artifact)
    async with parts_of(modern, f"test-artifact-{next(NAMES)}", transfer=True) as parts:
        with pytest.raises(FailedPreconditionError, match=r"not a container image .*vnd\.example\.chart"):
            await parts.puller.pull(f"{registry.address}/artifact:1")
        assert await parts.left() == {}


@newer
async def test_cancelled(modern, two):
    """A client that hangs up ends the transfer; what it brought goes with its lease."""
    image = image_of(2)
    async with parts_of(modern, f"test-hangup-{next(NAMES)}", transfer=True) as parts:
        with FaultyRegistry({"bye:1": image}, stalls={image.layers[1].digest: 20}) as faulty:
            pull = asyncio.create_task(parts.puller.pull(f"{faulty.address}/bye:1"))
            async with asyncio.timeout(60):
                while not faulty.count(image.layers[1].digest):
                    await asyncio.sleep(0.01)
            pull.cancel()
            await asyncio.wait([pull])
            assert pull.cancelled()
        assert await parts.containerd.leases.list() == []


async def test_without_the_service(containerd, registry):
    """An older containerd is distinguished from a failing one."""
    if BINARIES:
        pytest.skip("this is about the installed containerd, 1.6")
    async with parts_of(containerd, f"test-old-{next(NAMES)}", transfer=True) as parts:
        with pytest.raises(FailedPreconditionError, match=r'no Transfer service .*set image\.pull to "client"'):
            await parts.puller.pull(f"{registry.address}/any:1")
        assert await parts.left() == {}
