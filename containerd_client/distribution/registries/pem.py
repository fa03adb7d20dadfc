"""Load certificates from PEM files, as Go's ``crypto/x509`` finds them.

A file may contain anything between the certificates (their text form, comments, keys). A certificate that cannot be
read does not affect the others; only a file without a single valid certificate is rejected.
"""

from __future__ import annotations

import binascii
import re
import ssl

_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----\s*\n(.*?)-----END CERTIFICATE-----", re.DOTALL)


def trust_certificates(context: ssl.SSLContext, data: bytes) -> int:
    """Make the context trust every certificate of a PEM file; return their number."""
    trusted = 0
    for block in _BLOCK.finditer(data):
        try:
            context.load_verify_locations(cadata=binascii.a2b_base64(block[1]))
        except (ssl.SSLError, ValueError):
            continue
        trusted += 1
    return trusted
