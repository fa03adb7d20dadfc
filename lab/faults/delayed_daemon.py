"""Run ``cri-shim serve`` with a delay put into one place: ``python -m lab.faults.delayed_daemon serve --config …``.

The file that ``CRI_SHIM_DELAY`` names says what to do when a request arrives: the RPC it applies to, the place, a key,
and seconds. ``step`` blocks the event loop at once, ``loop`` in its next iteration, ``hop`` between the begin of the
first hop and its sending; ``container_starts`` (or another limiter) and ``lock`` are taken, as if by another request,
and released later.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cri_shim import cli
from cri_shim.daemon import daemon, wiring
from cri_shim.ledger.ledger import LedgerObserver
from cri_shim.tuning.admission import width_for

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from cri_shim.ledger.request import Request
    from cri_shim.service import Service

DELAY = "CRI_SHIM_DELAY"


class Delays(LedgerObserver):
    """Delays the requests that arrive."""

    def __init__(self, service: Service, file: Path) -> None:
        self._service = service
        self._file = file
        self._before_hop = 0.0

    def called(self, request: Request | None, method: str) -> None:
        """Block the event loop before the first hop is sent, if the file says so."""
        if request is not None and self._before_hop:
            asyncio.get_running_loop().call_soon(time.sleep, self._before_hop)
            self._before_hop = 0.0

    def opened(self, request: Request) -> None:
        """Do what the file says for this RPC."""
        self._before_hop = 0.0
        wanted = json.loads(self._file.read_text())
        if wanted.get("rpc") != request.method or not wanted["seconds"]:
            return
        loop, where, seconds = asyncio.get_running_loop(), wanted["where"], wanted["seconds"]
        if where == "hop":
            self._before_hop = seconds
        elif where == "step":
            time.sleep(seconds)
        elif where == "loop":
            loop.call_soon(time.sleep, seconds)
        elif where == "lock":
            lock = self._service.locks.of(wanted["key"])
            at_once(lock.acquire())
            loop.call_later(seconds, lock.release)
        else:
            limiter = getattr(self._service, where)
            slots = [limiter.slot() for _ in range(width_for(os.cpu_count() or 1))]
            for slot in slots:
                at_once(slot.__aenter__())
                loop.call_later(seconds, at_once, slot.__aexit__(None, None, None))


def at_once(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Run a coroutine that does not wait for anything."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise RuntimeError(f"{coroutine} had to wait")


def main() -> int:
    """Serve."""

    def wired(*arguments: Any, **keywords: Any) -> wiring.DaemonParts:
        made = wiring.wire(*arguments, **keywords)
        made.service.ledger.listen(Delays(made.service, Path(os.environ[DELAY])))
        return made

    daemon.__dict__[wiring.wire.__name__] = wired
    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    raise SystemExit(main())
