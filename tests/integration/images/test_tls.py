"""HTTPS with an authority that only hosts.toml, or Docker's way of laying out certificates, knows."""

from __future__ import annotations

import os
import shutil

import pytest

from cri_shim.errors import CriError, FailedPreconditionError
from lab.certificates import Authority
from lab.images import OCI_LAYER_PLAIN, Tree, build_image, push
from lab.registry import Registry
from tests.fakes.registry import FaultyRegistry
from tests.integration.images.conftest import NAMES, parts_of

pytestmark = pytest.mark.root

IMAGE = build_image(Tree().file("tls", os.urandom(1000)).layer(OCI_LAYER_PLAIN))


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def secure(tmp_path_factory, authority):
    """A real registry that speaks HTTPS only."""
    yield from serving(tmp_path_factory.mktemp("secure"), tls=authority)


@pytest.fixture(scope="module")
def mutual(tmp_path_factory, authority):
    """One that wants to see a certificate as well."""
    yield from serving(tmp_path_factory.mktemp("mutual"), tls=authority, client_ca=authority)


def serving(directory, **options):
    with Registry.start(directory) as plain:
        push(plain.address, "tls:1", IMAGE)
    with Registry.start(directory, **options) as running:
        yield running


async def pull(containerd, config, registry):
    """Pull in a namespace of its own with these directories of hosts, and leave nothing."""
    async with parts_of(containerd, f"test-tls-{next(NAMES)}", config_path=str(config)) as parts:
        try:
            pulled = await parts.puller.pull(f"{registry.address}/tls:1")
            await parts.images.remove(pulled)
        finally:
            assert await parts.left() == {}
        return pulled


def hosts(config, registry, text):
    directory = config / registry.address
    directory.mkdir()
    (directory / "hosts.toml").write_text(text.format(address=registry.address))
    return directory


async def test_unknown_authority(containerd, secure, tmp_path):
    """Nobody is trusted for having a certificate; the error says what is wrong with it."""
    hosts(tmp_path, secure, 'server = "https://{address}"\n')
    with pytest.raises(CriError, match=r"^RegistryUnavailable: .*(?i:certificate)"):
        await pull(containerd, tmp_path, secure)


async def test_unknown_authority_behind_a_redirect(containerd, secure):
    """The storage of a layer has a certificate that is not trusted; it would be no better at the next attempt."""
    layer = IMAGE.layers[0].digest
    with FaultyRegistry({"app:1": IMAGE}, redirects={layer: f"https://{secure.address}/{layer}"}) as registry:
        async with parts_of(containerd, f"test-tls-{next(NAMES)}") as parts:
            with pytest.raises(CriError, match=r"^RegistryUnavailable: .*its certificate is not trusted"):
                await parts.puller.pull(f"{registry.address}/app:1")
        assert registry.count(layer) == 1


@pytest.mark.parametrize("text", ['server = "https://{address}"\nca = "own.pem"\n', 'ca = ["own.pem"]\n'])
async def test_ca(containerd, secure, authority, tmp_path, text):
    """``ca``, relative to the file, with the server named or not."""
    directory = hosts(tmp_path, secure, text)
    shutil.copy(authority.certificate, directory / "own.pem")
    assert (await pull(containerd, tmp_path, secure)).id == IMAGE.id


async def test_skip_verify(containerd, secure, tmp_path):
    """``skip_verify`` takes any certificate."""
    hosts(tmp_path, secure, '[host."https://{address}"]\nskip_verify = true\n')
    assert (await pull(containerd, tmp_path, secure)).id == IMAGE.id


async def test_mirror_with_ca(containerd, secure, authority, tmp_path):
    """A mirror's authority is the mirror's alone: the dead upstream before it does not matter, the order holds."""
    hosts(
        tmp_path,
        secure,
        'server = "http://127.0.0.1:1"\n[host."http://127.0.0.1:2"]\n'
        f'[host."https://{{address}}"]\nca = "{authority.certificate}"\n',
    )
    assert (await pull(containerd, tmp_path, secure)).id == IMAGE.id


async def test_client_certificate(containerd, mutual, authority, tmp_path):
    """``client`` as a pair; without it the registry hangs up."""
    certificate, key = authority.issue("client")
    directory = hosts(tmp_path, mutual, f'ca = "{authority.certificate}"\n')
    with pytest.raises(CriError, match="RegistryUnavailable"):
        await pull(containerd, tmp_path, mutual)
    (directory / "hosts.toml").write_text(f'ca = "{authority.certificate}"\nclient = [["{certificate}", "{key}"]]\n')
    assert (await pull(containerd, tmp_path, mutual)).id == IMAGE.id
    both = directory / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    (directory / "hosts.toml").write_text(f'ca = "{authority.certificate}"\nclient = "both.pem"\n')
    assert (await pull(containerd, tmp_path, mutual)).id == IMAGE.id


async def test_docker_style(containerd, mutual, authority, tmp_path):
    """ca.crt, client.cert and client.key in a directory without hosts.toml."""
    certificate, key = authority.issue("client")
    directory = tmp_path / mutual.address
    directory.mkdir()
    shutil.copy(authority.certificate, directory / "ca.crt")
    shutil.copy(certificate, directory / "client.cert")
    shutil.copy(key, directory / "client.key")
    assert (await pull(containerd, tmp_path, mutual)).id == IMAGE.id


@pytest.mark.parametrize(
    ("text", "said"),
    [('ca = "absent.pem"', r"absent\.pem: cannot be read"), ('ca = "hosts.toml"', "holds no usable certificates")],
)
async def test_files_that_cannot_be_used(containerd, secure, tmp_path, text, said):
    """The file is named."""
    hosts(tmp_path, secure, text)
    with pytest.raises(FailedPreconditionError, match=said):
        await pull(containerd, tmp_path, secure)
