"""How much one peer may ask for before the connection ends."""

from __future__ import annotations

from msgspec import Struct

DEFAULT_WINDOW = 64 * 1024
"""Bytes in flight on a stream, and on the connection, unless a peer announces otherwise (SPDY/3.1, 2.6.8)."""

LARGEST_WINDOW = 2**31 - 1
"""The largest window; a peer that opens it wider makes an error."""


class Limits(Struct, frozen=True):
    """The bounds of one connection; each keeps its memory small, whatever the peer sends."""

    control_frame: int = 16 * 1024
    """Bytes of a control frame, which is collected before it is parsed. A remote command's headers are below 200 bytes.
    """
    header_block: int = 64 * 1024
    """Bytes of a header block after decompression: 16 KiB of deflate may unfold to 16 MiB."""
    header_pairs: int = 64
    """Headers in a block."""
    streams: int = 1024
    """Streams open at the same time; each costs about a kilobyte. A port-forward needs two for each connection."""
    refusals: int = 256
    """Streams refused one after another, beyond which the peer is not merely busy."""
    settings: int = 64
    """Entries of a SETTINGS frame; eight are defined."""
    window: int = 256 * 1024
    """Bytes that a peer which respects windows may have in flight on each stream."""
    connection_window: int = 1024 * 1024
    """The same for all its streams together."""
