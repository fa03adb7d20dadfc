"""Proxies from the environment: each row is what Go's httpproxy does with the same text."""

from __future__ import annotations

import pytest

from containerd_client.distribution.registries.proxies import parse_exceptions, parse_proxy, proxy_for
from containerd_client.distribution.values.errors import ProxyConfigError
from containerd_client.distribution.values.urls import parse_url

BOTH = {"HTTP_PROXY": "http://plain:1", "HTTPS_PROXY": "http://secure:2"}


def chosen(url, environment):
    proxy = proxy_for(parse_url(url), environment)
    return proxy.origin if proxy is not None else None


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, "https://r.io/", None),
        (BOTH, "http://r.io/", "http://plain:1"),
        (BOTH, "https://r.io/", "http://secure:2"),
        ({"HTTP_PROXY": "http://plain:1"}, "https://r.io/", None),
        ({"https_proxy": "http://low:1"}, "https://r.io/", "http://low:1"),
        ({"https_proxy": "http://low:1", "HTTPS_PROXY": "http://up:1"}, "https://r.io/", "http://up:1"),
        ({"https_proxy": "http://low:1", "HTTPS_PROXY": ""}, "https://r.io/", "http://low:1"),
        ({"ALL_PROXY": "http://all:1"}, "https://r.io/", None),
        ({"HTTPS_PROXY": "proxy:3128"}, "https://r.io/", "http://proxy:3128"),
        ({"HTTPS_PROXY": "10.0.0.1:3128"}, "https://r.io/", "http://10.0.0.1:3128"),
        ({"HTTPS_PROXY": "proxy"}, "https://r.io/", "http://proxy"),
        ({"HTTPS_PROXY": "u:p@proxy:3128"}, "https://r.io/", "http://proxy:3128"),
        ({"HTTPS_PROXY": "https://proxy"}, "https://r.io/", "https://proxy"),
        ({"HTTPS_PROXY": "socks5://proxy"}, "https://r.io/", "socks5://proxy"),
        ({"HTTPS_PROXY": "socks5h://proxy:9"}, "https://r.io/", "socks5h://proxy:9"),
        ({"HTTPS_PROXY": "HTTP://Proxy:8/path"}, "https://r.io/", "http://proxy:8"),
        (BOTH, "http://localhost:5000/", None),
        (BOTH, "http://127.0.0.9:5000/", None),
        (BOTH, "http://[::1]:5000/", None),
        (BOTH, "http://[::ffff:127.0.0.1]:5000/", None),
        (BOTH, "http://localhost.example/", "http://plain:1"),
    ],
)
def test_which_proxy(environment, url, proxy):
    """Upper case before lower case, by scheme, loopback never."""
    assert chosen(url, environment) == proxy


@pytest.mark.parametrize(
    ("exceptions", "url", "direct"),
    [
        ("*", "http://r.io/", True),
        ("a.b, * ,c", "http://r.io/", True),
        ("*x", "http://r.io/", False),
        ("r.io", "http://r.io/", True),
        (".3.4", "http://1.2.3.4/", True),
        ("13.4", "http://1.2.3.4/", False),
        ("r.io", "http://a.r.io/", True),
        ("r.io", "http://xr.io/", False),
        (".r.io", "http://r.io/", False),
        (".r.io", "http://a.b.r.io/", True),
        ("*.r.io", "http://r.io/", False),
        ("*.r.io", "http://a.r.io/", True),
        ("R.IO", "http://r.io/", True),
        ("r.io", "http://R.IO/", True),
        ("r.io:80", "http://r.io/", True),
        ("r.io:443", "http://r.io/", False),
        ("r.io:443", "https://r.io/", True),
        ("r.io:5000", "http://a.r.io:5000/", True),
        (".r.io:5000", "http://a.r.io:5001/", False),
        ("r.io:", "http://r.io:7/", True),
        ("10.0.0.0/8", "http://10.9.8.7:5000/", True),
        ("10.1.2.3/8", "http://10.9.8.7:5000/", True),
        ("10.0.0.0/8", "http://11.0.0.1/", False),
        ("10.0.0.0/255.0.0.0", "http://10.0.0.1/", False),
        ("10.0.0.0/8", "http://10.example/", False),
        ("10.0.0.1", "http://10.0.0.1/", True),
        ("10.0.0.1", "http://10.0.0.10/", False),
        ("10.0.0.1:80", "http://10.0.0.1/", True),
        ("10.0.0.1:81", "http://10.0.0.1/", False),
        ("10.0.0.1", "http://[::ffff:10.0.0.1]/", True),
        ("fd00::/8", "http://[fd00::1]/", True),
        ("fd00::1", "http://[fd00:0:0::1]/", True),
        ("[fd00::1]:5000", "http://[fd00::1]:5000/", True),
        ("[fd00::1]:5000", "http://[fd00::1]/", False),
        ("[fd00::1]", "http://[fd00::1]/", False),
        ("1.0.0.1", "http://x.1.0.0.1.example/", False),
        (" r.io\t,x", "http://r.io/", True),
        (",,:5,/8,[,]:1,::::", "http://r.io/", False),
        ("münchen.example", "http://xn--mnchen-3ya.example/", True),
        ("io", "http://r.io/", True),
        ("cluster.local,.svc", "http://reg.kube-system.svc/", True),
    ],
)
def test_exceptions(exceptions, url, direct):
    """NO_PROXY with networks, ports, dots and the star; what makes no sense is passed over."""
    assert (chosen(url, BOTH | {"NO_PROXY": exceptions}) is None) is direct
    assert (chosen(url, BOTH | {"no_proxy": exceptions}) is None) is direct


@pytest.mark.parametrize(
    "text",
    [
        "http://",
        "ftp://u:geheim@proxy:1",
        "http://u:geheim@proxy:99999",
        "http://geheim geheim",
        "socks4://geheim",
        "http://[::1",
        "://geheim",
        "geheim\n",
        "http://\u2603\u2603geheim\ud800",
    ],
)
def test_what_is_not_a_proxy(text):
    """It is an error that names the variable and nothing of its value."""
    with pytest.raises(ProxyConfigError, match="HTTPS_PROXY is not the address of a proxy") as caught:
        parse_proxy(text, "HTTPS_PROXY")
    assert "geheim" not in str(caught.value)


def test_a_bad_proxy_does_not_matter_where_none_is_taken():
    """Loopback and what NO_PROXY names are reached directly whatever the value is."""
    assert chosen("http://127.0.0.1/", {"HTTP_PROXY": "ftp://x"}) is None
    assert chosen("http://r.io/", {"HTTP_PROXY": "ftp://x", "NO_PROXY": "r.io"}) is None


def test_in_a_cgi_program():
    """The variable may be a header of a client's request, so it is refused, as in Go; the one for https cannot be."""
    with pytest.raises(ProxyConfigError, match="REQUEST_METHOD"):
        chosen("http://r.io/", BOTH | {"REQUEST_METHOD": "GET"})
    assert chosen("https://r.io/", BOTH | {"REQUEST_METHOD": "GET"}) == "http://secure:2"


def test_login():
    """What stands before the host is decoded."""
    assert parse_proxy("http://u%40x:p%3A%FF@proxy", "").login() == (b"u@x", b"p:\xff")
    assert parse_proxy("http://proxy", "").login() is None


def test_a_hundred_thousand_exceptions():
    """A list of a megabyte is read like any other."""
    assert len(parse_exceptions(",".join(["a.example"] * 100_000)).domains) == 100_000
