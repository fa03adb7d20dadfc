"""Put exceptions that are not errors of ours, but have a known meaning, into words for the client.

An exception without such a meaning is a bug in this program and is logged as one (``rpc.bug``).
"""

from __future__ import annotations

import ssl
from typing import Final

from google.protobuf.message import EncodeError

from containerd_client.distribution.values.errors import DistributionError
from cri_shim.errors import CriError, InternalError, InvalidArgumentError, ResourceExhaustedError
from cri_shim.os_errors import cri_error_of
from untrusted import DocumentError, escaped

_SHOWN: Final = 80
"""Characters that an error shows of a text that cannot be encoded."""


def in_words(error: Exception) -> CriError | None:
    """Return the error to answer with, or None if no request, file or node explains the exception."""
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        return cri_error_of(error)
    match error:
        case UnicodeEncodeError():
            return InternalError(f"{_around(error)} has no UTF-8 form; its source contains invalid text")
        case UnicodeDecodeError():
            return InternalError(f"byte {error.start} of {len(error.object)} read is not {error.encoding}")
        case RecursionError():
            return InvalidArgumentError("something in this request, or in what it names, is nested too deeply")
        case MemoryError():
            return ResourceExhaustedError("cri-shim has no memory left for this; free some, or raise MemoryMax")
        case OverflowError():
            return InternalError(f"a number does not fit where it belongs: {error}")
        case EncodeError() | ssl.SSLError() | DistributionError() | DocumentError():
            return InternalError(str(error))
        case ValueError():
            return _of_value(str(error))
    return None


def _of_value(text: str) -> CriError | None:
    """Return the error for a ValueError of Python or protobuf whose text says what the value was."""
    if "embedded null" in text:  # from 3.13 on this follows the name of the system call
        return InvalidArgumentError("a name or path contains a NUL byte, which no file, program or option can have")
    if text.startswith("Value out of range"):
        return InternalError(f"a number does not fit into its field: {text.partition(':')[2].strip()}")
    if text.startswith("Exceeds the limit") and "integer string conversion" in text:
        return InternalError("a number has more digits than can be read")
    return None


def _around(error: UnicodeEncodeError) -> str:
    start = max(0, error.start - _SHOWN // 2)
    return f"'{escaped(error.object[start : start + _SHOWN])}'"
