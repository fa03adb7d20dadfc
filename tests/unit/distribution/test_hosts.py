"""hosts.toml: who is asked for a name, in which order, and what is refused."""

from __future__ import annotations

import pytest

from containerd_client.distribution.errors import HostsConfigError
from containerd_client.distribution.hosts import (
    Host,
    default_host,
    hosts_of,
    is_loopback,
    parse_hosts,
    split_config_path,
)


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
    first, second, third, upstream = parse_hosts(MIRRORED, "q.io", "f")
    assert first == Host("http://127.0.0.1:5000/v2", mirror=True)
    assert second.base == "https://second.example/prefix/v2"
    assert second.capabilities == {"pull"}
    assert second.skip_verify
    assert second.headers == (("x-one", "1"), ("x-two", "2"), ("x-two", "3"))
    assert third.base == "https://third.example/own/path"
    assert upstream == Host("https://upstream.example/v2")


def test_without_server_the_name_itself_is_the_upstream():
    """A file of mirrors alone keeps the default upstream."""
    assert parse_hosts('[host."http://m"]\n', "docker.io", "f")[-1] == default_host("docker.io")


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
        ("server =", "f: "),
        ('server = "ftp://x"', "http or https"),
        ('[host."http://m"]\ncapabilitys = []', "capabilitys is not a setting"),
        ('[host."http://m"]\ncapabilities = ["fly"]', "may hold"),
        ('[host."http://m"]\nca = "x"', "cannot be used yet"),
        ('host = "x"', "host is not a table"),
        ('[host."http://m"]\nheader = 3', "header is not a table"),
    ],
)
def test_refused(text, said):
    """What is wrong is named, with the file."""
    with pytest.raises(HostsConfigError, match=said):
        parse_hosts(text, "q.io", "f")
