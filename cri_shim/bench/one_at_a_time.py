"""One comparison at a time for each endpoint: a second one would remove the pods of the first as leftovers."""

from __future__ import annotations

import hashlib
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def alone_with(endpoint: str) -> Iterator[None]:
    """Hold ``endpoint`` for the length of a ``with`` block; raises ValueError while another comparison holds it.

    What is held is the name of an abstract unix socket (unix(7)): the kernel frees it however the process ends.
    """
    name = hashlib.sha256(endpoint.encode()).hexdigest()[:32]
    with socket.socket(socket.AF_UNIX) as held:
        try:
            held.bind(f"\0cri-shim-compare-{name}")
        except OSError as error:
            raise ValueError(f"another comparison uses {endpoint}; let it end before you start one") from error
        yield
