"""Run the daemon with one of its tricks switched off: ``python lab/without.py TRICK serve --config FILE``.

What a trick saves is measured with and without it on one node (``python -m lab.versions_bench --without TRICK``). This
file is a script that imports nothing of this package, because it also runs where only the daemon is installed.
"""

from __future__ import annotations

import asyncio
import os
import sys

EVERYTHING_AT_ONCE = 1_000_000


def without_uvloop() -> None:
    """Run on asyncio's own event loop."""
    import uvloop

    uvloop.new_event_loop = asyncio.new_event_loop  # type: ignore[assignment]


def without_polling() -> None:
    """Let gRPC read its sockets in its own threads, as it does unless the daemon's command changes that."""
    os.environ["GRPC_EXPERIMENTS"] = ""


def without_cgroup_moves() -> None:
    """Leave the wait for a grace period to the runtime."""
    from cri_shim.tuning.cgroup_moves import CgroupMoves

    def prepare(_self: CgroupMoves) -> None:
        """Prepare nothing."""

    CgroupMoves.prepare = prepare  # type: ignore[method-assign, assignment]


def without_admission() -> None:
    """Let every pod start at once."""
    from cri_shim.tuning import admission

    admission.OF_EACH_CORE = EVERYTHING_AT_ONCE


def without_direct_signals() -> None:
    """Have containerd send every signal, by its shim and runc."""
    from cri_shim.lifecycle.direct_signals import DirectSignals

    async def send(_self: DirectSignals, _id: str, _number: int) -> bool:
        """Send nothing."""
        return False

    DirectSignals.send = send  # type: ignore[method-assign, assignment]


def without_shim_calls() -> None:
    """Have containerd run the shim's program for each of its calls."""
    from cri_shim.tuning import shim_calls

    shim_calls.SHIM = "none"  # type: ignore[misc]


TRICKS = {
    "admission": without_admission,
    "cgroup_moves": without_cgroup_moves,
    "direct_signals": without_direct_signals,
    "polling": without_polling,
    "shim_calls": without_shim_calls,
    "uvloop": without_uvloop,
}


def main() -> int:
    """Switch the trick off that the first argument names, run the daemon, and return its exit code."""
    TRICKS[sys.argv.pop(1)]()
    from cri_shim.cli import main as daemon  # after the environment is set, which grpc reads when it is imported

    return daemon()


if __name__ == "__main__":
    sys.exit(main())
