"""A ledger that is read from a recording: all of its requests are kept, and no more come."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from cri_shim.ledger.ledger import Ledger
from cri_shim.ledger.packed import UNPACKABLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cri_shim.ledger.request import Request

MOST_REQUESTS: Final = 10_000
"""The most requests of a recording."""


class RecordedLedger(Ledger):
    """The requests of a recording, in the order of their ids."""

    def __init__(self, requests: Iterable[Request]) -> None:
        super().__init__()
        self._newest = deque(maxlen=MOST_REQUESTS)
        for request in requests:
            try:
                self._keep(request)
            except UNPACKABLE as error:
                raise ValueError(f"request {request.id} cannot be kept: {error}") from error
            self.count = request.id
