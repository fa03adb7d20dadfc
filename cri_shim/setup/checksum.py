"""Identify the content of a file."""

from __future__ import annotations

import hashlib


def checksum(content: bytes) -> str:
    """Return the SHA-256 of ``content`` in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
