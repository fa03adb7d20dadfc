"""Keep two set-ups from changing one node at the same time: each would write its own state of the journal."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class OtherSetupError(Exception):
    """Another set-up works on this node."""


@contextmanager
def only_one(root: Path) -> Iterator[None]:
    """Hold a lock on the directory ``root`` itself, so that no file has to be made for it; the kernel releases it.

    Raises :class:`OtherSetupError` if another process holds it.
    """
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OtherSetupError("another `cri-shim setup` is running; wait until it has ended") from None
        yield
    finally:
        os.close(descriptor)
