"""Exceptions that come from below our own errors and still have a known meaning, in words for the client.

An exception without such a meaning is a fault of this program and is logged as one (``rpc.bug``).
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
"""Characters of a text that cannot be encoded that an error shows."""


def in_words(error: Exception) -> CriError | None:
    """Return the error to answer with, or None for what no request, file or node explains."""
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        return cri_error_of(error)
    match error:
        case UnicodeEncodeError():
            return InternalError(f"{_around(error)} has no UTF-8 form; its source holds text that is not valid")
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
    """Of the errors that Python and protobuf raise for values, those whose text says what the value was."""
    if "embedded null" in text:  # from 3.13 on after the name of the system call
        return InvalidArgumentError("a name or path holds a NUL byte, which no file, program or option can have")
    if text.startswith("Value out of range"):
        return InternalError(f"a number does not fit into its field: {text.partition(':')[2].strip()}")
    if text.startswith("Exceeds the limit") and "integer string conversion" in text:
        return InternalError("a number has more digits than can be read")
    return None


def _around(error: UnicodeEncodeError) -> str:
    start = max(0, error.start - _SHOWN // 2)
    return f"'{escaped(error.object[start : start + _SHOWN])}'"
