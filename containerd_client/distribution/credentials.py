"""What a user may show to a registry. Nothing here appears in a repr, and what is sent can be struck out of a text.

The fields and their order of use are those of Docker's configuration file, which the kubelet passes on as CRI's
AuthConfig: user and password; an identity token (a refresh token of the token server); ``auth``, base64 of the former;
a registry token, which is sent as it is.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from containerd_client.distribution.errors import UnauthorizedError
from containerd_client.distribution.hosts import HUB_NAMES, HUB_REALM
from containerd_client.distribution.urls import parse_url

if TYPE_CHECKING:
    from collections.abc import Iterable

STRUCK_OUT = "[secret]"
_SHORTEST = 4
"""Characters; what is shorter cannot be struck out without making a text unreadable."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """One login. ``server`` is the only host it may be sent to; empty: any host that is asked for the image."""

    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    server: str = ""

    def __bool__(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.username or self.password or self.identity_token or self.registry_token)

    def fit(self, authority: str) -> bool:
        """Whether they may be sent to ``host[:port]``. All names of Docker Hub are one."""
        if not self.server:
            return True
        wanted = server_authorities(self.server)
        return authority.lower() in wanted or (authority.lower() in HUB_NAMES and not HUB_NAMES.isdisjoint(wanted))

    def fit_realm(self, authority: str) -> bool:
        """Whether a token server at ``host[:port]``, which a registry that they fit has named, may have them."""
        return self.fit(authority) or (authority == HUB_REALM and self.fit("docker.io"))

    @property
    def basic(self) -> str:
        """The value of a Basic Authorization header; empty without a user."""
        if not self.username:
            return ""
        return basic_authorization(as_bytes(self.username), as_bytes(self.password))

    def secrets(self) -> tuple[str, ...]:
        """Every form in which they may turn up in a text."""
        return (self.password, self.identity_token, self.registry_token, self.basic.removeprefix("Basic "))


ANONYMOUS = Credentials()


def decode_auth(text: str) -> tuple[str, str]:
    """Read ``auth``: base64 of ``user:password``, perhaps padded with NUL. Raises :class:`UnauthorizedError`.

    Line ends are passed over, as Go does (the ``base64`` program writes them); what is not UTF-8 is kept by
    surrogates, which :func:`as_bytes` turns back.
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
    """Return the value of an Authorization or Proxy-Authorization header for a login."""
    return "Basic " + base64.b64encode(user + b":" + password).decode()


def as_bytes(text: str) -> bytes:
    """Return a user or a password as it is sent."""
    return text.encode("utf-8", "surrogateescape")


def server_authorities(server: str) -> frozenset[str]:
    """Return the forms of ``host[:port]`` that a server address stands for: a URL, or a bare name with or without path.

    Raises :class:`~containerd_client.distribution.urls.UrlError`.
    """
    urls = (server,) if "://" in server else (f"https://{server}", f"http://{server}")
    return frozenset(parse_url(url).authority for url in urls)


def fits_a_header(text: str) -> bool:
    """Whether the value of a header can hold the text."""
    return text.isprintable()


def strike_out(text: str, secrets: Iterable[str]) -> str:
    """Return the text without the secrets: whoever we send them to might send them back in an error."""
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, STRUCK_OUT)
    return text
