"""Turn CRI's AuthConfig into credentials; which of its fields counts follows containerd's plugin."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from containerd_client.distribution.registries.credentials import (
    ANONYMOUS,
    Credentials,
    as_bytes,
    decode_auth,
    fits_a_header,
    server_authorities,
)
from containerd_client.distribution.values.errors import UnauthorizedError
from containerd_client.distribution.values.urls import UrlError, shown
from cri_shim.errors import InvalidArgumentError

if TYPE_CHECKING:
    from cri_shim.api.runtime.v1 import runtime_pb2 as cri

_SALT = secrets.token_bytes(16)


def credentials_of(auth: cri.AuthConfig) -> Credentials:
    """Return the credentials from the first field that is set.

    The order is: user and password, identity token, ``auth``, registry token.

    Raises ``InvalidArgumentError`` if the field is not valid.
    """
    server = auth.server_address
    if not (auth.username or auth.identity_token or auth.auth or auth.registry_token):
        return ANONYMOUS
    if server:
        _require_address(server)
    if auth.username:
        return Credentials(username=auth.username, password=auth.password, server=server)
    if auth.identity_token:
        return Credentials(identity_token=auth.identity_token, server=server)
    if auth.auth:
        try:
            username, password = decode_auth(auth.auth)
        except UnauthorizedError as error:
            raise InvalidArgumentError(str(error)) from None
        return Credentials(username=username, password=password, server=server)
    if not fits_a_header(auth.registry_token):
        raise InvalidArgumentError(
            "auth.registry_token holds a line end or another character that a header cannot hold"
        )
    return Credentials(registry_token=auth.registry_token, server=server)


def _require_address(server: str) -> None:
    try:
        server_authorities(server)
    except UrlError as error:
        raise InvalidArgumentError(
            f"auth.server_address '{shown(server)}' is not a server address: it {error}"
        ) from None


def fingerprint(credentials: Credentials) -> str:
    """Return a text that distinguishes these credentials from others; empty for none.

    It is keyed with a random value, so it is of no use outside this process.
    """
    if not credentials:
        return ""
    parts = (
        credentials.username,
        credentials.password,
        credentials.identity_token,
        credentials.registry_token,
        credentials.server,
    )
    text = b"".join(len(part).to_bytes(4, "big") + as_bytes(part) for part in parts)
    return hashlib.blake2b(text, key=_SALT, digest_size=16).hexdigest()
