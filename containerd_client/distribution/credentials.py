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
from urllib.parse import urlsplit

from containerd_client.distribution.errors import UnauthorizedError
from containerd_client.distribution.hosts import HUB_NAMES

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
        wanted = _authority(self.server)
        return wanted == authority.lower() or HUB_NAMES.issuperset({wanted, authority.lower()})

    @property
    def basic(self) -> str:
        """The value of a Basic Authorization header; empty without a user."""
        if not self.username:
            return ""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()

    def secrets(self) -> tuple[str, ...]:
        """Every form in which they may turn up in a text."""
        return (self.password, self.identity_token, self.registry_token, self.basic.removeprefix("Basic "))


ANONYMOUS = Credentials()


def decode_auth(text: str) -> tuple[str, str]:
    """Read ``auth``: base64 of ``user:password``, perhaps padded with NUL. Raises :class:`UnauthorizedError`."""
    try:
        user, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        colon = ""
    if not colon:
        raise UnauthorizedError("the field auth of the credentials is not base64 of user:password")
    return user, password.strip("\0")


def strike_out(text: str, secrets: Iterable[str]) -> str:
    """Return the text without the secrets: whoever we send them to might send them back in an error."""
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, STRUCK_OUT)
    return text


def _authority(server: str) -> str:
    """The ``host[:port]`` of a server address, which may be a URL or a bare name, with or without a path."""
    return urlsplit(server if "://" in server else f"//{server}").netloc.rpartition("@")[2].lower()
