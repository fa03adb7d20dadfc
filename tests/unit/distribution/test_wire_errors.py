"""A registry that cannot be talked to: the error says what was expected, and what to change."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import ssl
import subprocess
import time
import warnings
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest

from containerd_client.distribution.registries.hosts import Tls, hosts_of
from containerd_client.distribution.registries.registry import RegistryClient, Source
from containerd_client.distribution.registries.tls import TlsContexts
from containerd_client.distribution.registries.wire_errors import as_transfer_errors
from containerd_client.distribution.values.errors import HostsConfigError, RegistryUnavailableError, TransferError
from containerd_client.distribution.values.reference import parse_reference
from cri_shim.telemetry.span_forward import SpanForward
from cri_shim.telemetry.tracing import Tracing
from lab.certificates import Authority
from lab.registry import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer anything with a status of plain HTTP, and close."""
    await reader.read(64)
    writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
    writer.close()


@asynccontextmanager
async def serving(context: ssl.SSLContext | None) -> AsyncIterator[int]:
    """A server on loopback; its port."""
    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    return Authority.make(tmp_path)


@pytest.fixture
def with_tls(authority: Authority) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("server"))
    return context


async def refusal(directory: Path, base: str, settings: str = "") -> str:
    """What is said about a registry at ``base`` that does not answer as it is configured to."""
    reference = parse_reference(f"{base.partition('://')[2]}/app:1")
    hosts = directory / "certs.d" / reference.domain
    hosts.mkdir(parents=True)
    (hosts / "hosts.toml").write_text(f'server = "{base}"\n{settings}')
    registry = RegistryClient()
    try:
        with pytest.raises(RegistryUnavailableError) as caught:
            await registry.resolve(Source(reference, hosts_of(reference.domain, (directory / "certs.d",))))
    finally:
        await registry.close()
    text = str(caught.value)
    assert f"HEAD {base}/v2/app/manifests/1: " in text
    assert not re.search(r"ssl:default|\[SSL|_ssl\.c", text)
    return text.partition("manifests/1: ")[2]


async def test_tls_to_a_registry_on_plain_http(tmp_path: Path) -> None:
    """The usual mistake on a node with a registry of its own."""
    async with serving(None) as port:
        said = await refusal(tmp_path, f"https://127.0.0.1:{port}")
    assert said == (
        "cannot connect: it does not speak TLS; if it is a registry without, write its address with http:// in "
        "hosts.toml"
    )


async def test_plain_http_to_a_registry_on_tls(tmp_path: Path, with_tls: ssl.SSLContext) -> None:
    """It does not understand the request."""
    async with serving(with_tls) as port:
        said = await refusal(tmp_path, f"http://127.0.0.1:{port}")
    assert said.startswith("the connection was closed without an answer, as servers do that expect TLS")


async def test_a_certificate_of_an_unknown_authority(tmp_path: Path, with_tls: ssl.SSLContext) -> None:
    """The certificate to trust is named in a place that the text says."""
    async with serving(with_tls) as port:
        said = await refusal(tmp_path, f"https://127.0.0.1:{port}")
    assert said.startswith("cannot connect: its certificate is not trusted: ")
    assert said.endswith("; set `ca` in hosts.toml, or provide HOST/ca.crt")


async def test_a_certificate_for_another_name(tmp_path: Path, authority: Authority, with_tls: ssl.SSLContext) -> None:
    """Trusting its authority does not help."""
    async with serving(with_tls) as port:
        said = await refusal(tmp_path, f"https://localhost:{port}", f'ca = "{authority.certificate}"\n')
    assert said.startswith("cannot connect: its certificate has another name: Hostname mismatch")
    assert "'localhost'" in said


async def test_a_server_that_requires_a_client_certificate(tmp_path: Path, authority: Authority) -> None:
    """With TLS 1.3 the refusal comes after the handshake, as an error of reading."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.certificate))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(*authority.issue("server"))
    async with serving(context) as port:
        said = await refusal(tmp_path, f"https://127.0.0.1:{port}", f'ca = "{authority.certificate}"\n')
    assert "a client certificate" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required (_ssl.c:2546)",
            "refuses TLS without",
        ),
        ("[SSL] legacy sigalg disallowed or unsupported (_ssl.c:992)", "versions of TLS before 1.2"),
        ("[SSL: SSLV3_ALERT_BAD_CERTIFICATE] sslv3 alert bad certificate (_ssl.c:2546)", "TLS: sslv3 alert bad"),
    ],
)
def test_the_text_of_openssl_alone(text: str, said: str) -> None:
    """The HTTP library keeps nothing else of an error that comes after the handshake."""
    with pytest.raises(RegistryUnavailableError) as caught, as_transfer_errors("HEAD x"):
        raise aiohttp.ClientOSError(1, text)
    assert said in str(caught.value)
    assert "_ssl.c" not in str(caught.value)


async def test_a_body_that_ends_early() -> None:
    """The library would show a status, which is its own and not the server's."""

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
        writer.close()

    async with await asyncio.start_server(cut, "127.0.0.1", 0) as server, aiohttp.ClientSession() as session:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TransferError) as caught, as_transfer_errors("GET x"):
            await (await session.get(f"http://127.0.0.1:{port}/")).read()
    assert str(caught.value) == "GET x: the connection ended before the whole body had arrived"


async def test_a_server_of_old(tmp_path: Path, authority: Authority, with_tls: ssl.SSLContext) -> None:
    """TLS 1.1 is refused, as by Go."""
    with_tls.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # this is what is being tested
        with_tls.minimum_version, with_tls.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    async with serving(with_tls) as port:
        said = await refusal(tmp_path, f"https://127.0.0.1:{port}", f'ca = "{authority.certificate}"\n')
    assert said == "cannot connect: it offers only versions of TLS before 1.2, which are not secure"


def test_client_certificates_that_cannot_be_used(tmp_path: Path, authority: Authority) -> None:
    """An encrypted key is said to be one, and the text of OpenSSL is without its places in the source."""
    certificate, key = authority.issue("client")
    _, other = authority.issue("other")
    locked = tmp_path / "locked.key"
    openssl = ["openssl", "pkey", "-in", str(key), "-aes256", "-passout", "pass:x", "-out", str(locked)]
    subprocess.run(openssl, check=True, capture_output=True)
    with pytest.raises(HostsConfigError, match=r"locked\.key: the key is encrypted, and hosts\.toml has no setting"):
        TlsContexts().of(Tls(client=((str(certificate), str(locked)),)))
    with pytest.raises(HostsConfigError, match=r"matching certificate and key: key values mismatch$"):
        TlsContexts().of(Tls(client=((str(certificate), str(other)),)))


def test_a_certificate_that_is_written_in_place_with_its_old_time_is_read(authority: Authority) -> None:
    """As tools do that make builds reproducible: the same inode, size and modification time."""
    contexts, (certificate, key) = TlsContexts(), authority.issue("client")
    tls = Tls(client=((str(certificate), str(key)),))
    before, context = certificate.stat(), contexts.of(tls)
    assert contexts.of(tls) is context
    time.sleep(0.03)  # the kernel's clock for files is coarse
    certificate.write_bytes(certificate.read_bytes())
    os.utime(certificate, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert contexts.of(tls) is not context


@pytest.mark.parametrize("scheme", ["http://", "https://"])
async def test_nothing_listens(tmp_path: Path, scheme: str) -> None:
    """The reason is the system's, whatever the scheme is."""
    assert await refusal(tmp_path, f"{scheme}127.0.0.1:{free_port()}") == "cannot connect: connection refused"


async def test_a_collector_that_is_away_is_said_without_the_librarys_words(capsys: pytest.CaptureFixture[str]) -> None:
    """The text of aiohttp speaks of ssl:default for plain HTTP too."""
    forward = SpanForward(Tracing(endpoint=f"http://127.0.0.1:{free_port()}/v1/traces"))
    forward.put(b"export")
    task = asyncio.ensure_future(forward.run())
    said = ""
    while "tracing.not_forwarded" not in said:
        await asyncio.sleep(0.01)
        said += capsys.readouterr().out
    task.cancel()
    assert "it cannot be reached: connection refused" in said
    assert "ssl:" not in said
