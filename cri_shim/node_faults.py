"""Operating-system errors that say nothing about the file at hand: a resource has run out, or a disk fails.

Code that describes an unusable file in its own words lets these errors pass unchanged: the file may be fine, and advice
to repair it would mislead the reader. For the same reason no lasting conclusion is drawn from them.
"""

from __future__ import annotations

import errno
from typing import Final

NODE_FAULTS: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE}
)


def is_node_fault(error: OSError) -> bool:
    """Return whether ``error`` comes from the node rather than from the file that it names."""
    return error.errno in NODE_FAULTS
