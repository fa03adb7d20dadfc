"""Give back the memory of the TLS contexts that aiohttp makes while it is imported.

Each of its two contexts has the certificate authorities of the system. They take a megabyte and a half together and are
never used here: a request gets a context of its own that hosts.toml may have changed. A request that forgot to would be
refused afterwards, because the context that takes their place trusts no authority.
"""

from __future__ import annotations

import ssl


def drop_library_contexts() -> None:
    """Replace both contexts; aiohttp must have been imported."""
    from aiohttp import connector  # noqa: PLC0415 - the caller has just loaded it

    nothing_trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    connector._SSL_CONTEXT_VERIFIED = nothing_trusted  # noqa: SLF001 - the library keeps them to itself
    connector._SSL_CONTEXT_UNVERIFIED = nothing_trusted  # noqa: SLF001 - likewise
