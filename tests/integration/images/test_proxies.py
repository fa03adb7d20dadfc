"""Requests that take the proxy of the environment; the names they are for exist nowhere else."""

from __future__ import annotations

import hashlib
import ssl
import sys

import pytest

from containerd_client.distribution.registries.credentials import ANONYMOUS, Credentials
from containerd_client.distribution.registries.hosts import Host, Tls, default_host
from containerd_client.distribution.registries.registry import Source
from containerd_client.distribution.values.errors import (
    DistributionError,
    ProxyConfigError,
    RegistryUnavailableError,
    TransferError,
)
from containerd_client.distribution.values.manifest import Descriptor
from containerd_client.distribution.values.reference import parse_reference
from lab.certificates import Authority
from tests.integration.images.proxy_servers import REFUSAL, Proxy, SocksProxy
from tests.integration.images.raw_server import RawServer, answer, redirect

DATA = b"the layer"
DIGEST = "sha256:" + hashlib.sha256(DATA).hexdigest()
BLOB = Descriptor("application/vnd.oci.image.layer.v1.tar", DIGEST, len(DATA))
PATH = f"/v2/app/blobs/{DIGEST}"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def tls(authority):
    """What a server shows that is called r.example."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("r.example", "DNS:r.example,DNS:proxy.example,IP:127.0.0.1"))
    return context


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def source(base="http://r.example", credentials=ANONYMOUS, **host):
    return Source(parse_reference("r.example/app:1"), (Host(f"{base}/v2", **host),), credentials)


async def read(client, where, **options):
    async with client.blob(where, BLOB, **options) as body:
        return b"".join([chunk async for chunk in body.chunks])


async def test_http(client, clean):
    """The whole address is asked for, with the proxy's login; the registry's own login goes through."""
    login = Credentials(username="jane", password="geheim")
    async with RawServer() as server, Proxy(server.address) as proxy:
        server.answers[PATH] = [answer(401, WWW_Authenticate="Basic"), answer(200, DATA)]
        clean.setenv("HTTP_PROXY", f"me:p%40ss@{proxy.address}")
        assert await read(client, source(credentials=login)) == DATA
        assert proxy.asked == [f"GET http://r.example{PATH}"] * 2
        assert proxy.got[0].headers["proxy-authorization"] == "Basic bWU6cEBzcw=="
        assert proxy.got[0].headers["host"] == "r.example"
        assert server.got[-1].headers["authorization"] == "Basic amFuZTpnZWhlaW0="


async def test_https_by_connect(client, clean, tls, authority):
    """A tunnel, in which the registry's certificate is checked; the proxy's login stays with the proxy."""
    async with RawServer(tls=tls) as server, Proxy(server.address) as proxy:
        server.answers[PATH] = answer(200, DATA)
        clean.setenv("HTTPS_PROXY", f"http://me:geheim@{proxy.address}")
        where = source("https://r.example", tls=Tls((str(authority.certificate),)))
        assert await read(client, where) == DATA
        assert proxy.asked == ["CONNECT r.example:443"]
        assert proxy.got[0].headers["proxy-authorization"].startswith("Basic ")
        assert "proxy-authorization" not in server.got[0].headers
        with pytest.raises(RegistryUnavailableError, match=r"(?i)certificate"):
            await read(client, source("https://r.example"))


async def test_through_a_proxy_that_speaks_tls(client, clean, tls, authority):
    """Plain requests; that TLS in TLS works depends on the loop, so it either does or is said."""
    async with RawServer() as server, Proxy(server.address, tls=tls) as proxy:
        server.answers[PATH] = answer(200, DATA)
        clean.setenv("SSL_CERT_FILE", str(authority.certificate))
        clean.setenv("HTTP_PROXY", f"https://{proxy.address}")
        assert await read(client, source()) == DATA
    async with RawServer(tls=tls) as server, Proxy(server.address, tls=tls) as proxy:
        server.answers[PATH] = answer(200, DATA)
        clean.setenv("HTTPS_PROXY", f"https://{proxy.address}")
        where = source("https://r.example", tls=Tls((str(authority.certificate),)))
        assert await read(client, where) == DATA
        assert proxy.asked == ["CONNECT r.example:443"]


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_client_certificate_is_not_for_the_proxy(client, clean, tls, authority, scheme):
    """It goes through the tunnel to its own host, and a proxy that asks for one gets none."""
    asking = [ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) for _ in range(2)]
    for context in asking:
        context.load_cert_chain(*authority.issue("r.example", "DNS:r.example,IP:127.0.0.1"))
        context.load_verify_locations(authority.certificate)
        context.verify_mode = ssl.CERT_OPTIONAL
    for_server, for_proxy = asking
    for_server.verify_mode = ssl.CERT_REQUIRED
    certificate, key = authority.issue("client", "")
    settings = Tls((str(authority.certificate),), ((str(certificate), str(key)),))
    async with (
        RawServer(tls=for_server if scheme == "https" else None) as server,
        Proxy(server.address, tls=for_proxy) as proxy,
    ):
        server.answers[PATH] = answer(200, DATA)
        clean.setenv(f"{scheme.upper()}_PROXY", f"https://{proxy.address}")
        assert await read(client, source(f"{scheme}://r.example", tls=settings)) == DATA
        assert proxy.certificates == [None]


async def test_long_headers_of_a_proxy(client, clean, tls, authority):
    """Its answer to CONNECT may have as long ones, and as many, as any other."""
    async with RawServer(tls=tls) as server, Proxy(server.address) as proxy:
        proxy.more = f"X-Long: {'x' * 100_000}\r\n".encode() + b"".join(b"X-%d: y\r\n" % n for n in range(500))
        server.answers[PATH] = answer(200, DATA)
        clean.setenv("HTTPS_PROXY", f"http://{proxy.address}")
        assert await read(client, source("https://r.example", tls=Tls((str(authority.certificate),)))) == DATA


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
async def test_socks(client, clean, tls, authority, scheme):
    """The proxy gets the name, and looks it up itself."""
    async with RawServer(tls=tls) as server, SocksProxy(server.address) as proxy:
        server.answers[PATH] = answer(200, DATA)
        clean.setenv("HTTPS_PROXY", f"{scheme}://me:p%40ss@{proxy.address}")
        where = source("https://r.example", tls=Tls((str(authority.certificate),)))
        assert await read(client, where) == DATA
        assert proxy.asked == ["r.example:443"]
        assert proxy.login == (b"me", b"p@ss")
        proxy.refusal = b"x"
        with pytest.raises(TransferError, match="SOCKS proxy"):
            await read(client, where)
    with pytest.raises(TransferError, match=r"SOCKS proxy|connect"):
        await read(client, where)


async def test_socks_without_its_library(client, clean):
    """The sentence says what to install."""
    clean.setitem(sys.modules, "aiohttp_socks", None)
    clean.setenv("HTTP_PROXY", "socks5://me:geheim@127.0.0.1:1")
    with pytest.raises(ProxyConfigError, match=r"'\.\[socks\]'") as caught:
        await read(client, source())
    assert "geheim" not in str(caught.value)


async def test_decided_anew_at_each_hop(client, clean):
    """A redirect to a name that NO_PROXY has goes there directly, one to another name through the proxy."""
    async with RawServer() as server, RawServer() as storage, Proxy(server.address) as proxy:
        clean.setenv("HTTP_PROXY", proxy.address)
        clean.setenv("NO_PROXY", "direct.example")
        server.answers |= {
            PATH: redirect(f"{storage.url}/loopback"),
            "/there": answer(200, DATA),
        }
        storage.answers["/loopback"] = redirect("http://other.example/there")
        assert await read(client, source()) == DATA
        assert proxy.asked == [f"GET http://r.example{PATH}", "GET http://other.example/there"]
        server.answers[PATH] = redirect("http://direct.example/there")
        with pytest.raises(TransferError):  # which does not exist
            await read(client, source())
        assert len(proxy.asked) == 3


async def test_a_proxy_that_refuses(client, clean):
    """Its status is distinguished from the registry's, and its login shows nowhere."""
    async with Proxy("127.0.0.1:1", refusal=REFUSAL) as proxy:
        clean.setenv("HTTPS_PROXY", f"http://me:geheim@{proxy.address}")
        with pytest.raises(TransferError, match=f"through the proxy http://{proxy.address}: the proxy answers 407"):
            await read(client, source("https://r.example"))
        clean.setenv("HTTP_PROXY", f"http://me:geheim@{proxy.address}")
        with pytest.raises(RegistryUnavailableError, match="407") as caught:
            await read(client, source())
        assert "geheim" not in str(caught.value)


async def test_a_proxy_that_repeats_the_login(client, clean):
    """What it writes behind the status is not shown."""
    said = b"HTTP/1.1 403 jane:geheim may not\r\nContent-Length: 0\r\n\r\n"
    async with RawServer(fallback=lambda got: said) as proxy:
        clean.setenv("HTTPS_PROXY", f"http://jane:geheim@{proxy.address}")
        with pytest.raises(TransferError, match=r"the proxy answers 403 Forbidden$"):
            await read(client, source("https://r.example"))


async def test_a_proxy_that_is_silent(client, clean):
    """One that answers nothing to a CONNECT is given up in the time that a connection may take."""
    async with Proxy("127.0.0.1:1", silent=True) as proxy:
        clean.setenv("HTTPS_PROXY", proxy.address)
        with pytest.raises(TransferError, match="in time"):
            await read(client, source("https://r.example", dial_timeout=0.2), read_timeout=0.3)


@pytest.mark.parametrize("value", ["ftp://me:geheim@proxy", "http://[geheim", "http://me:geheim@pro xy"])
async def test_a_value_that_is_not_a_proxy(client, clean, value):
    """It is said by the name of the variable."""
    clean.setenv("HTTP_PROXY", value)
    with pytest.raises(DistributionError, match="HTTP_PROXY") as caught:
        await client.resolve(source())
    assert "geheim" not in str(caught.value)


async def test_loopback_is_never_proxied(client, clean):
    """Whatever the variables say."""
    async with RawServer() as server, Proxy("127.0.0.1:1") as proxy:
        server.answers[PATH] = answer(200, DATA)
        clean.setenv("HTTP_PROXY", proxy.address)
        where = Source(parse_reference(f"{server.address}/app:1"), (default_host(server.address),))
        assert await read(client, where) == DATA
        assert proxy.asked == []
