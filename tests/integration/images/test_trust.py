"""Whom a registry's TLS is trusted for: anchors of every kind, and files that hold none."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from containerd_client.distribution.registries.hosts import Host, Tls
from containerd_client.distribution.registries.registry import Source
from containerd_client.distribution.values.errors import (
    DistributionError,
    HostsConfigError,
    NotInRegistryError,
    RegistryUnavailableError,
)
from containerd_client.distribution.values.manifest import Descriptor
from containerd_client.distribution.values.reference import parse_reference
from lab.certificates import Authority
from tests.integration.images.raw_server import RawServer

BLOB = Descriptor("application/octet-stream", "sha256:" + "0" * 64, 1)
JUNK = b"-----BEGIN CERTIFICATE-----\nnonsense!\n-----END CERTIFICATE-----\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A root, an intermediate below it, and a server's certificate of the intermediate."""
    place = tmp_path_factory.mktemp("trust")
    (place / "sub").mkdir()
    root = Authority.make(place)
    middle = root.subordinate(place / "sub")
    leaf, key = middle.issue("server")
    chain = place / "chain.pem"
    chain.write_bytes(leaf.read_bytes() + middle.certificate.read_bytes())
    nameless, nameless_key = middle.issue("127.0.0.1", "")
    return SimpleNamespace(
        place=place,
        root=root.certificate,
        middle=middle.certificate,
        leaf=leaf,
        key=key,
        chain=chain,
        nameless=nameless,
        nameless_key=nameless_key,
    )


def serving(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(certificate, key)
    return RawServer(tls=context)


async def trusted(client, server, *files):
    """Whether the server is talked to: it answers 404 then."""
    host = Host(f"{server.url}/v2", tls=Tls(tuple(str(file) for file in files)))
    where = Source(parse_reference("q.io/app:1"), (host,))
    try:
        async with client.blob(where, BLOB):
            raise AssertionError("there is no such blob")
    except NotInRegistryError:
        return True
    except RegistryUnavailableError as error:
        assert "ertificate" in str(error)
        return False


async def test_anchors(client, made):
    """The root, the intermediate, the server's own certificate, and a file of all of them."""
    async with serving(made.chain, made.key) as server:
        for anchor in (made.root, made.middle, made.leaf, made.chain):
            assert await trusted(client, server, anchor)
        assert not await trusted(client, server)
        assert not await trusted(client, server, made.nameless)
    async with serving(made.leaf, made.key) as server:
        assert await trusted(client, server, made.middle)
        assert await trusted(client, server, made.leaf)
        assert await trusted(client, server, made.root, made.middle)
        assert not await trusted(client, server, made.root)


async def test_what_may_stand_between_them(client, made, tmp_path):
    """Text, keys, line ends of Windows, certificates that are none: what is good counts."""
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(
        b"\xef\xbb\xbfsome words \xff\n"
        + JUNK
        + made.key.read_bytes()
        + JUNK.replace(b"nonsense!", b"MIIB")
        + made.nameless.read_bytes()
        + b"more words\n"
        + made.root.read_bytes().replace(b"\n", b"\r\n")
        + b"the end"
    )
    async with serving(made.chain, made.key) as server:
        assert await trusted(client, server, bundle)


async def test_a_server_without_alternative_names(client, made):
    """A common name is not looked at, as in Go."""
    async with serving(made.nameless, made.nameless_key) as server:
        assert not await trusted(client, server, made.root, made.middle)


async def test_a_key_of_1024_bits(client, tmp_path):
    """Old appliances have one, and Go accepts it."""
    certificate, key = tmp_path / "old.crt", tmp_path / "old.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-days", "2", "-subj", "/CN=old"]  # noqa: RUF005
        + ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    async with serving(certificate, key) as server:
        assert await trusted(client, server, certificate)


async def test_renewed_files_are_used(client, made, tmp_path):
    """By the next request, also when nothing but the content has changed."""
    anchor = tmp_path / "anchor.pem"
    anchor.write_bytes(made.nameless.read_bytes())
    async with serving(made.chain, made.key) as server:
        assert not await trusted(client, server, anchor)
        anchor.write_bytes(made.root.read_bytes())
        assert await trusted(client, server, anchor)


def unusable(place: Path, made) -> dict[str, Path]:
    """Files that hold no certificate that can be used."""
    problems = {
        name: place / name for name in ("empty", "junk", "key", "der", "fifo", "directory", "huge", "absent", "loop")
    }
    problems["empty"].write_bytes(b"")
    problems["junk"].write_bytes(JUNK * 3)
    problems["key"].write_bytes(made.key.read_bytes())
    problems["der"].write_bytes(ssl.PEM_cert_to_DER_cert(made.root.read_text()))
    os.mkfifo(problems["fifo"])
    problems["directory"].mkdir()
    with problems["huge"].open("wb") as file:
        file.truncate(50 << 20)
    problems["loop"].symlink_to("loop")
    return problems | {"zero": Path("/dev/zero")}


@pytest.mark.parametrize("use", ["ca", "certificate", "key"])
async def test_files_that_cannot_be_used(client, made, tmp_path, use):
    """Each is named, and none holds anything up."""
    for kind, file in unusable(tmp_path, made).items():
        name = str(file)
        tls = {
            "ca": Tls((name,)),
            "certificate": Tls(client=((name, str(made.key)),)),
            "key": Tls(client=((str(made.leaf), name),)),
        }[use]
        if (use, kind) == ("key", "key"):
            continue  # it is one
        where = Source(parse_reference("q.io/app:1"), (Host("https://127.0.0.1:1/v2", tls=tls),))
        with pytest.raises(DistributionError) as caught:
            async with asyncio.timeout(5):
                await client.resolve(where)
        assert isinstance(caught.value, HostsConfigError), kind
        assert name in str(caught.value) or str(made.leaf) in str(caught.value)
