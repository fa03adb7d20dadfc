"""Ask the kernel whether a program keeps the clock right (adjtimex(2), read only)."""

from __future__ import annotations

import ctypes
import os
from typing import Final

_SIZE: Final = 256
"""More than ``struct timex`` has (208 bytes on 64 bits). Its first field, ``modes``, is 0: nothing is changed."""
_TIME_ERROR: Final = 5

_libc = ctypes.CDLL(None, use_errno=True)


def is_synchronised() -> bool:
    """Return whether the clock counts as synchronised; raises OSError if the kernel does not answer."""
    state = _libc.adjtimex(ctypes.create_string_buffer(_SIZE))
    if state < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return bool(state != _TIME_ERROR)
