"""hosts.toml: who is asked for a name, in which order, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from containerd_client.distribution.registries.hosts import (
    Host,
    Tls,
    default_host,
    hosts_of,
    is_loopback,
    parse_hosts,
    split_config_path,
)
from containerd_client.distribution.values.errors import HostsConfigError, InvalidReferenceError

FILE = Path("/certs.d/q.io/hosts.toml")


@pytest.mark.parametrize(
    ("domain", "base"),
    [
        ("docker.io", "https://registry-1.docker.io/v2"),
        ("registry.k8s.io", "https://registry.k8s.io/v2"),
        ("localhost:5000", "http://localhost:5000/v2"),
        ("127.0.0.9", "http://127.0.0.9/v2"),
        ("[::1]:5000", "http://[::1]:5000/v2"),
        ("10.0.0.1:5000", "https://10.0.0.1:5000/v2"),
    ],
)
def test_default(domain, base):
    """Loopback is plain HTTP, everything else HTTPS, and docker.io has another host name."""
    assert default_host(domain) == Host(base)
    assert hosts_of(domain) == (Host(base),)


def test_loopback_is_not_fooled():
    """A name that only looks local is not."""
    assert not is_loopback("localhost.example.com:80")
    assert not is_loopback("127.0.0.1.example.com")
    assert is_loopback("localhost")


MIRRORED = """
server = "https://upstream.example"
[host."http://127.0.0.1:5000"]
  capabilities = ["pull", "resolve"]
[host."https://second.example/prefix"]
  capabilities = ["pull"]
  skip_verify = true
  [host."https://second.example/prefix".header]
    x-one = "1"
    x-two = ["2", "3"]
[host."https://third.example/own/path"]
  override_path = true
"""


def test_mirrors_in_the_order_of_the_file():
    """The hosts come in the file's order, the upstream last; paths end in /v2 unless overridden."""
    first, second, third, upstream = parse_hosts(MIRRORED, "q.io", FILE)
    assert first.base == "http://127.0.0.1:5000/v2"
    assert first.mirror
    assert second.base == "https://second.example/prefix/v2"
    assert second.capabilities == {"pull"}
    assert second.tls == Tls(skip_verify=True)
    assert second.headers == (("x-one", "1"), ("x-two", "2"), ("x-two", "3"))
    assert third.base == "https://third.example/own/path"
    assert upstream.base == "https://upstream.example/v2"
    assert not upstream.mirror


def test_without_server_the_name_itself_is_the_upstream():
    """A file of mirrors alone keeps the default upstream."""
    assert parse_hosts('[host."http://m"]\n', "docker.io", FILE)[-1] == default_host("docker.io")


def test_directories(tmp_path):
    """HOST_PORT_ before HOST:PORT before _default, and the first configured directory before the second."""
    one, two = tmp_path / "one", tmp_path / "two"
    for directory, server in ((one / "_default", "d"), (two / "q.io_5000_", "a"), (one / "q.io:5000", "b")):
        directory.mkdir(parents=True)
        (directory / "hosts.toml").write_text(f'server = "https://{server}"\n')
    path = split_config_path(f"{one}:{two}:")
    assert path == (one, two)
    assert hosts_of("q.io:5000", path)[0].base == "https://b/v2"
    assert hosts_of("q.io:5000", (two,))[0].base == "https://a/v2"
    assert hosts_of("other", path)[0].base == "https://d/v2"
    assert hosts_of("other", (two, tmp_path / "missing"))[0] == default_host("other")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("server = 1", "server is not a URL"),
        ("server =", "hosts.toml: "),
        ('server = "ftp://x"', "http or https"),
        ('[host."ftp://m"]', "http or https"),
        ('[host."http://m:x"]', "http or https"),
        ('[host."http://m"]\nca = 1', "ca is neither a path"),
        ('[host."http://m"]\nca = [""]', "ca is neither a path"),
        ('[host."http://m"]\nclient = [["a", "b", "c"]]', "a pair must be"),
        ('dial_timeout = "soon"', "dial_timeout must be a duration"),
        ('[host."http://m"]\ncapabilities = ["fly"]', "may hold"),
        ('host = "x"', "host is not a table"),
        ('[host."http://m"]\nheader = 3', "header is not a table"),
    ],
)
def test_refused(text, said):
    """What is wrong is named, with the file."""
    with pytest.raises(HostsConfigError, match=said):
        parse_hosts(text, "q.io", FILE)


CERTIFICATES = """
ca = "own.pem"
skip_verify = true
[host."mirror.example:5000"]
  ca = ["a.pem", "/etc/b.pem"]
  client = [["one.cert", "one.key"], ["two.pem", ""]]
  dial_timeout = "1m2.5s"
  capabilities = ["PULL"]
[host."https://user:geheim@other.example"]
  client = "both.pem"
[host."https://third.example"]
  client = ["x.pem", "/y.pem"]
"""


def test_certificates():
    """ca and client take a path, a list or pairs, relative to the file; what stands at the top is for the server."""
    first, second, third, upstream = parse_hosts(CERTIFICATES, "127.0.0.1:7", FILE)
    here = "/certs.d/q.io"
    assert first.tls == Tls(
        (f"{here}/a.pem", "/etc/b.pem"), ((f"{here}/one.cert", f"{here}/one.key"), (f"{here}/two.pem", ""))
    )
    assert (first.base, first.dial_timeout, first.capabilities) == (
        "https://mirror.example:5000/v2",
        62.5,
        frozenset({"pull"}),
    )
    assert second.tls.client == ((f"{here}/both.pem", ""),)
    assert third.tls.client == ((f"{here}/x.pem", ""), ("/y.pem", ""))
    assert upstream == Host("https://127.0.0.1:7/v2", tls=Tls((f"{here}/own.pem",), skip_verify=True))


def test_a_login_in_a_url_is_not_kept():
    """What is named in logs and errors holds no password."""
    (host, _) = parse_hosts('[host."https://user:geheim@other.example/a"]', "q.io", FILE)
    assert host.base == "https://other.example/a/v2"


def test_unknown_keys_are_passed_over(caplog):
    """As containerd does; but the log says so."""
    assert parse_hosts("new_in_3_0 = true\n", "q.io", FILE) == (default_host("q.io"),)
    assert "new_in_3_0 is not a known setting" in caplog.text


def test_docker_style_files(tmp_path):
    """Without a hosts.toml: *.crt are authorities, NAME.cert and NAME.key a client; loopback is HTTPS then."""
    directory = tmp_path / "127.0.0.1:5000"
    directory.mkdir()
    for name in ("b.crt", "a.crt", "me.cert", "me.key", "README"):
        (directory / name).write_text("")
    tls = Tls((f"{directory}/a.crt", f"{directory}/b.crt"), ((f"{directory}/me.cert", f"{directory}/me.key"),))
    assert hosts_of("127.0.0.1:5000", (tmp_path,)) == (Host("https://127.0.0.1:5000/v2", tls=tls),)
    (directory / "me.key").unlink()
    with pytest.raises(HostsConfigError, match=r"me\.cert: its key me\.key is missing"):
        hosts_of("127.0.0.1:5000", (tmp_path,))


def test_the_first_directory_counts(tmp_path):
    """A directory that is there, even an empty one, keeps the following ones from being looked at."""
    (tmp_path / "q.io").mkdir()
    (tmp_path / "_default").mkdir()
    (tmp_path / "_default/hosts.toml").write_text('server = "https://d"\n')
    assert hosts_of("q.io", (tmp_path,)) == (default_host("q.io"),)
    assert hosts_of("other.io", (tmp_path,))[0].base == "https://d/v2"


def files_in_the_place_of(path, real):
    """Put one thing after another where a small file ought to be."""
    os.mkfifo(path)
    yield "is a FIFO"
    path.unlink()
    path.mkdir()
    yield "is a directory"
    path.rmdir()
    path.symlink_to("/dev/zero")
    yield "is a device"
    path.unlink()
    path.symlink_to(path.name)
    yield "symbolic links"
    path.unlink()
    with path.open("wb") as file:
        file.truncate(50 << 20)
    yield "has more than 131072 bytes"
    path.write_bytes(b'server = "https://\xff"')
    yield "byte 18 is not UTF-8"
    path.unlink()
    real()


def test_a_hosts_toml_that_is_not_a_file(tmp_path):
    """It is refused with its name, and holds nothing up."""
    file = tmp_path / "q.io/hosts.toml"
    file.parent.mkdir()
    for said in files_in_the_place_of(file, lambda: file.write_text('server = "https://s"\n')):
        with pytest.raises(HostsConfigError, match=said) as caught:
            hosts_of("q.io", (tmp_path,))
        assert str(file) in str(caught.value)
    assert hosts_of("q.io", (tmp_path,))[0].base == "https://s/v2"


def test_a_directory_that_is_a_file(tmp_path):
    """containerd fails there too; the next directory is not taken for it."""
    (tmp_path / "q.io").write_text("x")
    (tmp_path / "_default").mkdir()
    with pytest.raises(HostsConfigError, match=r"q\.io: is not a directory"):
        hosts_of("q.io", (tmp_path,))
    (tmp_path / "q.io").unlink()
    (tmp_path / "q.io").symlink_to("q.io")
    with pytest.raises(HostsConfigError, match=r"q\.io: cannot be read"):
        hosts_of("q.io", (tmp_path,))


def test_names_too_long_for_a_directory(tmp_path):
    """No directory can be called so, and none is there."""
    domain = ".".join(["a" * 63] * 3 + ["a" * 61])
    assert hosts_of(f"{domain}:5", (tmp_path,))[0].base == f"https://{domain}:5/v2"


def test_an_empty_hosts_toml_is_none(tmp_path):
    """The certificates beside it count then."""
    (tmp_path / "q.io").mkdir()
    (tmp_path / "q.io/hosts.toml").write_text("")
    (tmp_path / "q.io/a.crt").write_text("")
    assert hosts_of("q.io", (tmp_path,))[0].tls.ca == (f"{tmp_path}/q.io/a.crt",)


def test_certificate_and_key_in_one_file(tmp_path):
    """As containerd allows it; a directory that is called like a certificate is passed over."""
    directory = tmp_path / "q.io"
    directory.mkdir()
    (directory / "me.cert").write_text("-----BEGIN PRIVATE KEY-----\n")
    (directory / "old.crt").mkdir()
    assert hosts_of("q.io", (tmp_path,))[0].tls == Tls((), ((f"{directory}/me.cert", ""),))


@pytest.mark.parametrize("domain", ["r.io:99999", "a" * 64 + ".io", "r.io:0"])
def test_registries_that_cannot_be(domain):
    """The form of a host is not enough."""
    with pytest.raises(InvalidReferenceError, match="is not the address of a registry"):
        hosts_of(domain)


@pytest.mark.parametrize(
    ("domain", "text", "proxies"),
    [
        ("q.io", "", [False]),
        ("q.io", '[host."https://q.io"]', [False, False]),
        ("q.io", 'server = "https://cache"\n[host."https://q.io:5000"]', [True, True]),
        ("docker.io", '[host."https://mirror"]', [True, False]),
        ("docker.io", 'server = "https://registry-1.docker.io"', [False]),
    ],
)
def test_hosts_that_are_another_server(domain, text, proxies):
    """As in containerd, the name of the host says so: one of the file may be the registry, its server another one."""
    assert [host.serves_as_proxy(domain) for host in parse_hosts(text, domain, FILE)] == proxies
