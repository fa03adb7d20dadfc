"""Errors of the operating system that say nothing of the file at hand: something has run out, or a disk fails.

Where a file that cannot be used is described in words of its own, these pass as they are: the file may be all right,
and advice to mend it would send its reader the wrong way. Nor is anything concluded from them that outlives the moment.
"""

from __future__ import annotations

import errno
from typing import Final

NODE_FAULTS: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE}
)


def is_node_fault(error: OSError) -> bool:
    """Return whether ``error`` is not the fault of the file that it names."""
    return error.errno in NODE_FAULTS
