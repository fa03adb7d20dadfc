"""Challenges, credentials and how long to wait: the texts that come with a refusal."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from containerd_client.distribution.registries.challenges import Challenge, parse_challenges
from containerd_client.distribution.registries.credentials import Credentials, decode_auth, strike_out
from containerd_client.distribution.registries.login import Login, TokenAnswer
from containerd_client.distribution.registries.retry_after import wait_of
from containerd_client.distribution.values.errors import UnauthorizedError
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError
from cri_shim.images.auth_config import credentials_of, fingerprint


@pytest.mark.parametrize(
    ("header", "challenges"),
    [
        ("Basic", [("basic", {})]),
        ('Basic realm="a b"', [("basic", {"realm": "a b"})]),
        (
            'Bearer realm="https://t/x?a=1,2",service=r.io,scope="repository:a:pull,push"',
            [("bearer", {"realm": "https://t/x?a=1,2", "service": "r.io", "scope": "repository:a:pull,push"})],
        ),
        (
            'Negotiate, Basic realm="x", Bearer realm="y"',
            [("negotiate", {}), ("basic", {"realm": "x"}), ("bearer", {"realm": "y"})],
        ),
        ('bEaReR Realm = "q\\"uote"', [("bearer", {"realm": 'q"uote'})]),
        ('Bearer realm="open', [("bearer", {})]),
        ("", []),
        ("=,=", []),
    ],
)
def test_challenges(header, challenges):
    """Schemes and parameters in any case and order; nonsense is no reason to fail."""
    read = [(one.scheme, dict(one.parameters)) for one in parse_challenges([header])]
    assert read == challenges


def test_challenges_of_several_headers():
    """A server may repeat the header."""
    assert parse_challenges(["Basic", "Bearer realm=x"]) == (
        Challenge("basic", {}),
        Challenge("bearer", {"realm": "x"}),
    )


@pytest.mark.parametrize(
    ("server", "authority", "fits"),
    [
        ("", "anything:1", True),
        ("r.io", "r.io", True),
        ("R.io", "r.io", True),
        ("https://r.io/v1/", "r.io", True),
        ("r.io:5000", "r.io:5000", True),
        ("r.io:5000", "r.io", False),
        ("https://index.docker.io/v1/", "registry-1.docker.io", True),
        ("docker.io", "r.io", False),
        ("https://r.io@evil.io", "r.io", False),
        ("r.io.evil.io", "r.io", False),
    ],
)
def test_server_must_match(server, authority, fits):
    """Credentials for one host go to no other."""
    assert Credentials(username="u", password="p", server=server).fit(authority) is fits


def test_what_counts_in_auth_config():
    """The first that is given; nothing at all is nobody."""
    given = cri.AuthConfig(username="u", password="p", auth="!", identity_token="i", registry_token="r")
    assert credentials_of(given).basic
    given.username = ""
    assert credentials_of(given).identity_token == "i"
    given.identity_token = ""
    with pytest.raises(InvalidArgumentError, match="not base64 of user:password"):
        credentials_of(given)
    given.auth = ""
    assert credentials_of(given).registry_token == "r"
    assert not credentials_of(cri.AuthConfig(server_address="r.io"))


def test_auth():
    """base64 of user:password; the password may hold colons."""
    assert decode_auth("dTpwOnE=") == ("u", "p:q")
    assert decode_auth("dTpw\nOnE=\r\n") == ("u", "p:q")  # as the base64 program folds it
    user, password = decode_auth(base64.b64encode(b"u:p\xe4ss").decode())
    assert Credentials(username=user, password=password).basic == "Basic " + base64.b64encode(b"u:p\xe4ss").decode()
    for wrong in ("", "dQ==", "not base64", "/w=="):
        with pytest.raises(UnauthorizedError):
            decode_auth(wrong)


def test_fingerprint_distinguishes_logins():
    """Equal logins are equal, moving a letter from one field to the next makes another one, and nothing shows."""
    one, two = Credentials(username="ab", password="c"), Credentials(username="a", password="bc")
    assert fingerprint(one) == fingerprint(Credentials(username="ab", password="c"))
    assert len({fingerprint(one), fingerprint(two), fingerprint(Credentials())}) == 3
    assert "ab" not in repr(one)


def test_strike_out():
    """Whole secrets go, longer ones first; what is too short to be told from text stays."""
    assert strike_out("a hunter22 b hunter2 c", ["hunter2", "hunter22", "a", ""]) == "a [secret] b [secret] c"


@pytest.mark.parametrize(
    ("auth", "said"),
    [
        (cri.AuthConfig(registry_token="a\r\nb"), "registry_token holds a line end"),
        (cri.AuthConfig(registry_token="a\0b"), "registry_token holds a line end"),
        (cri.AuthConfig(username="u", server_address="http://[x"), "server_address '.*' is not a server address"),
        (cri.AuthConfig(username="u", server_address="r.io:99999"), "server_address '.*' is not a server address"),
        (cri.AuthConfig(username="u", server_address="a b"), "server_address '.*' is not a server address"),
    ],
)
def test_auth_config_that_makes_no_sense(auth, said):
    """It is refused before anybody is asked."""
    with pytest.raises(InvalidArgumentError, match=said):
        credentials_of(auth)


def test_auth_config_with_any_characters():
    """What can be sent in some form is taken: line ends and letters of any script in a password."""
    given = credentials_of(cri.AuthConfig(username="jäne\r\n", password="geheim\r\nX: y\u2603"))
    assert given.basic.isascii()
    assert "\n" not in given.basic
    assert fingerprint(given)
    assert fingerprint(Credentials(username="u", password="\udcff"))


@pytest.mark.parametrize(
    ("realm", "server", "fits"),
    [
        ("r.io", "r.io", True),
        ("auth.r.io", "r.io", False),
        ("r.io:5001", "r.io", False),
        ("auth.docker.io", "https://index.docker.io/v1/", True),
        ("auth.docker.io", "docker.io", True),
        ("auth.docker.io", "r.io", False),
        ("evil.io", "docker.io", False),
        ("anything", "", True),
        ("r.io", "r.io:443", True),
    ],
)
def test_the_token_server_must_match_too(realm, server, fits):
    """A login for one server goes to no token server elsewhere; Docker Hub has its own."""
    assert Credentials(username="u", password="p", server=server).fit_realm(realm) is fits


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("9" * 5000, 7 * 86_400.0),
        ("\u0663", 0.5),
        ("1e3", 0.5),
        ("Fri, 31 Dec 99999999999 23:59:59 GMT", 0.5),
        ("Fri, 31 Dec 1999 99:99:99 GMT", 0.5),
        ("Fri, 31 Dec 1999 23:59:59 +999999999999", 0.5),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 7 * 86_400.0),
        (",", 0.5),
        ("\udcff" * 100, 0.5),
    ],
)
def test_retry_after_that_makes_no_sense(text, seconds):
    """Rubbish is a short time, and nothing is longer than a week."""
    assert wait_of({"Retry-After": text}) == seconds


@pytest.mark.parametrize(("text", "seconds"), [("7", 7.0), ("0", 0.1), ("", 0.5), ("soon", 0.5), ("-3", 0.5)])
def test_retry_after(text, seconds):
    """Seconds, and a short time where nothing sensible is said."""
    assert wait_of({"Retry-After": text}) == seconds


def test_retry_after_a_date():
    """A date is a number of seconds from now; one in the past is no time at all."""
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    assert 18 <= wait_of({"Retry-After": soon}) <= 20
    assert wait_of({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}) == 0.1


async def test_a_login_is_not_sent_in_clear():
    """A registry on HTTPS that names a token server on HTTP gets no password sent there."""

    async def ask(url, *, query, form, authorization):
        raise AssertionError("nobody is to be asked")

    login = Login("https://r.io/v2", "app", Credentials(username="u", password="p"), ask)
    with pytest.raises(UnauthorizedError, match=r"in clear to http://t\.io/token"):
        await login.answer(['Bearer realm="http://t.io/token"'], "")


@pytest.mark.parametrize("body", [b"", b"{}", b'{"token": ""}', b'{"token": 7}', b'{"token": "a\\nb: c"}'])
async def test_a_token_that_is_none(body):
    """What cannot be put into a header is no token."""

    async def ask(url, *, query, form, authorization):
        return TokenAnswer(200, body)

    login = Login("https://r.io/v2", "app", Credentials(), ask)
    with pytest.raises(UnauthorizedError, match="gives no token"):
        await login.answer(['Bearer realm="https://t.io/token"'], "")
