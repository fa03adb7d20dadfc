"""URLs that others wrote: kept as they are, except for the host, which is checked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containerd_client.distribution.values.urls import Url, UrlError, parse_url, resolve_location, shown

BASE = parse_url("https://r.io/a/b?q")


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("https://r.io", Url("https", "r.io", 443, "/")),
        ("HTTP://R.IO:5000?x", Url("http", "r.io", 5000, "/?x")),
        ("http://u:p@[::1]:5/a#b", Url("http", "::1", 5, "/a", "u:p")),
        ("http://a@b@c.d/", Url("http", "c.d", 80, "/", "a@b")),
        ("http://r_1.io./%2f", Url("http", "r_1.io.", 80, "/%2f")),
        ("http://r.io:/x", Url("http", "r.io", 80, "/x")),
        ("http://bücher.example/ü", Url("http", "xn--bcher-kva.example", 80, "/%C3%BC")),
    ],
)
def test_parse(text, parsed):
    """Scheme and host in one form, everything behind them untouched."""
    assert parse_url(text) == parsed


@given(st.text(max_size=60))
def test_any_text(text):
    """Whatever the text: a URL, or a sentence that can be sent."""
    for prefix in ("", "http://", "https://r.io/", "//", "/"):
        try:
            url = resolve_location(BASE, prefix + text)
        except UrlError as error:
            str(error).encode()
            continue
        str(url).encode("ascii")
        assert " " not in str(url)
        assert parse_url(str(url)) == Url(url.scheme, url.host, url.port, url.target)
    shown(text).encode()


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"), max_size=60))
def test_any_target_is_kept(target):
    """No character that a request line can hold is touched."""
    assert parse_url(f"https://r.io/{target}").target == f"/{target}"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://r.io/a", "https://r.io:443/b", True),
        ("https://r.io/", "https://R.io/", True),
        ("https://r.io/", "https://r.io:444/", False),
        ("https://a.r.io/", "https://r.io/", False),
        ("http://r.io/", "https://r.io/", False),
        ("https://r.io/", "http://r.io/", True),
        ("https://r.io:5000/", "http://r.io:5000/", False),
    ],
)
def test_same_server(one, other, same):
    """Scheme, host and port; from http to https on the standard ports, and never back."""
    assert parse_url(one).same_server(parse_url(other)) is same


def test_what_is_shown():
    """A URL is shown without user, query and fragment, even one that is none."""
    assert parse_url("https://u:p@r.io:1/a/b?sig=x#y").shown == "https://r.io:1/a/b"
    assert shown("https://u:p@r.io:1/a/b?sig=x#y") == "https://r.io:1/a/b"
    assert shown("x://u:p@[geheim/b?sig=x#y") == "x://[geheim/b"
    assert "\n" not in shown("http://r.io/\n")


@pytest.mark.parametrize(
    ("url", "target"),
    [("http://r.io", "/?a=b+c"), ("http://r.io/t?x=1", "/t?x=1&a=b+c"), ("http://r.io/t?", "/t?a=b+c")],
)
def test_more_query(url, target):
    """Parameters are added to those that are there."""
    assert parse_url(url).with_query({"a": "b c"}).target == target


def test_too_long():
    """A URL has an end."""
    with pytest.raises(UrlError, match="more than 65536"):
        parse_url("http://r.io/" + "x" * 70_000)
