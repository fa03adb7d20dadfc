"""aiohttp's own TLS contexts are not used and not kept."""

from __future__ import annotations

from aiohttp import connector

from containerd_client.distribution.registries.library_contexts import drop_library_contexts
from containerd_client.distribution.registries.sessions import Sessions


async def test_the_first_session_gives_their_memory_back():
    """They have no authority any more: a request that relied on one would be refused, and never go unverified."""
    sessions = Sessions("a client")
    await sessions.through(None)
    for context in (connector._SSL_CONTEXT_VERIFIED, connector._SSL_CONTEXT_UNVERIFIED):
        assert context.cert_store_stats()["x509"] == 0
        assert context.verify_mode.name == "CERT_REQUIRED"
        assert context.check_hostname
    await sessions.close()


def test_the_library_still_has_them_where_they_are_replaced():
    """Another version of it may make them elsewhere; then this has to follow."""
    before = vars(connector).keys()
    drop_library_contexts()
    assert vars(connector).keys() == before
