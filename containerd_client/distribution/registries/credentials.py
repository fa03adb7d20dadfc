"""A user's credentials for a registry. They appear in no repr, and :func:`strike_out` removes them from a text.

The fields and their order of use are those of Docker's configuration file, which the kubelet passes on as CRI's
AuthConfig: user and password; an identity token (a refresh token of the token server); ``auth``, which is user and
password in base64; a registry token, which is sent unchanged.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from containerd_client.distribution.registries.hosts import HUB_NAMES, HUB_REALM
from containerd_client.distribution.values.errors import UnauthorizedError
from containerd_client.distribution.values.urls import parse_url

if TYPE_CHECKING:
    from collections.abc import Iterable

STRUCK_OUT = "[secret]"
_SHORTEST = 4
"""Characters; removing shorter secrets would make a text unreadable."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """One login; it may be sent only to ``server``, or, if that is empty, to any host that serves the image."""

    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    server: str = ""

    def __bool__(self) -> bool:
        """Return whether there are any credentials."""
        return bool(self.username or self.password or self.identity_token or self.registry_token)

    def fit(self, authority: str) -> bool:
        """Return whether they may be sent to ``host[:port]``; all names of Docker Hub count as one."""
        if not self.server:
            return True
        wanted = server_authorities(self.server)
        return authority.lower() in wanted or (authority.lower() in HUB_NAMES and not HUB_NAMES.isdisjoint(wanted))

    def fit_realm(self, authority: str) -> bool:
        """Return whether they may be sent to a token server at ``host[:port]`` that a matching registry has named."""
        return self.fit(authority) or (authority == HUB_REALM and self.fit("docker.io"))

    @property
    def basic(self) -> str:
        """Return the value of a Basic Authorization header; empty without a user."""
        if not self.username:
            return ""
        return basic_authorization(as_bytes(self.username), as_bytes(self.password))

    @property
    def basic_with_token(self) -> str:
        """Return the same, or else the identity token as the password of a user without a name."""
        if self.username or not self.identity_token:
            return self.basic
        return basic_authorization(b"", as_bytes(self.identity_token))

    def secrets(self) -> tuple[str, ...]:
        """Return every form in which they may appear in a text."""
        sent = self.basic_with_token.removeprefix("Basic ")
        return (self.password, self.identity_token, self.registry_token, sent)


ANONYMOUS = Credentials()


def decode_auth(text: str) -> tuple[str, str]:
    """Decode ``auth``, the base64 of ``user:password``, possibly padded with NUL; raises :class:`UnauthorizedError`.

    Line ends are ignored, as in Go (the ``base64`` program writes them). Bytes that are not UTF-8 are kept as
    surrogates, which :func:`as_bytes` converts back.
    """
    try:
        plain = base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
    except (binascii.Error, ValueError):
        plain = b""
    user, colon, password = plain.decode("utf-8", "surrogateescape").partition(":")
    if not colon:
        raise UnauthorizedError("the field auth of the credentials is not base64 of user:password")
    return user, password.strip("\0")


def basic_authorization(user: bytes, password: bytes) -> str:
    """Return the value of a Basic Authorization or Proxy-Authorization header."""
    return "Basic " + base64.b64encode(user + b":" + password).decode()


def as_bytes(text: str) -> bytes:
    """Return the bytes of a user name or a password as they are sent."""
    return text.encode("utf-8", "surrogateescape")


def server_authorities(server: str) -> frozenset[str]:
    """Return the forms of ``host[:port]`` for a server address: a URL, or a bare name with or without a path.

    Raises :class:`~containerd_client.distribution.values.urls.UrlError`.
    """
    urls = (server,) if "://" in server else (f"https://{server}", f"http://{server}")
    return frozenset(parse_url(url).authority for url in urls)


def fits_a_header(text: str) -> bool:
    """Return whether a header value can contain the text."""
    return text.isprintable()


def strike_out(text: str, secrets: Iterable[str]) -> str:
    """Return the text without the secrets, which a server might send back to us in an error."""
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, STRUCK_OUT)
    return text
