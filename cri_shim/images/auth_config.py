"""CRI's AuthConfig as credentials; which of its fields counts is decided as containerd's plugin decides it."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from containerd_client.distribution.credentials import ANONYMOUS, Credentials, decode_auth
from containerd_client.distribution.errors import UnauthorizedError
from cri_shim.errors import InvalidArgumentError

if TYPE_CHECKING:
    from cri_shim.api.runtime.v1 import runtime_pb2 as cri

_SALT = secrets.token_bytes(16)


def credentials_of(auth: cri.AuthConfig) -> Credentials:
    """Read the first that is given of: user and password, identity token, ``auth``, registry token.

    Raises InvalidArgumentError when ``auth`` makes no sense.
    """
    server = auth.server_address
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
    if auth.registry_token:
        return Credentials(registry_token=auth.registry_token, server=server)
    return ANONYMOUS


def fingerprint(credentials: Credentials) -> str:
    """Return what tells these credentials from others, of no use outside this process; empty for none."""
    if not credentials:
        return ""
    parts = (
        credentials.username,
        credentials.password,
        credentials.identity_token,
        credentials.registry_token,
        credentials.server,
    )
    text = b"".join(len(part).to_bytes(4, "big") + part.encode() for part in parts)
    return hashlib.blake2b(text, key=_SALT, digest_size=16).hexdigest()
