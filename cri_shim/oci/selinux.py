"""SELinux options of a request, checked before they become a label.

Source: CRI ``SELinuxOption``; the level's grammar is that of the plugin: ``s0``, ``s0-s3``, ``s0:c1,c2.c4``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cri_shim.errors import InvalidArgumentError

if TYPE_CHECKING:
    from cri_shim.api.runtime.v1 import runtime_pb2 as cri

_LEVEL = re.compile(r"s\d(?:-s\d)?(?::c\d{1,4}(?:\.c\d{1,4})?(?:,c\d{1,4}(?:\.c\d{1,4})?)*)?", re.ASCII)


def check_level(options: cri.SELinuxOption) -> None:
    """Refuse a level that SELinux could not read, with InvalidArgumentError."""
    if options.level and not _LEVEL.fullmatch(options.level):
        raise InvalidArgumentError(
            f"SELinux level {options.level!r} is malformed; it looks like s0, s0-s3 or s0:c1,c2.c4"
        )
