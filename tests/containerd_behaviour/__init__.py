"""What this project relies on in containerd, as tests that run in front of the real daemons and of the fake.

Each module holds test functions. ``tests/integration/containerd_client`` collects them with a real containerd (1.6, or
the one that CONTAINERD_BINARIES names), ``tests/unit/fakes`` with :class:`tests.fakes.containerd.FakeContainerd` as
1.6, 1.7 and 2.1. A fake that answers in other words than the daemon fails there, a daemon that changes fails here.

The folders provide the fixtures: ``shared`` and ``own`` are a :class:`Daemon`, ``client`` is a client of the shared one
in a namespace of the test's own, ``hops`` records its calls, ``version`` is the daemon's.
"""

from __future__ import annotations

from typing import Protocol


class Daemon(Protocol):
    """A containerd that can be killed."""

    @property
    def address(self) -> str:
        """The socket."""
        ...

    @property
    def away_seconds(self) -> float:
        """How long a test should leave it away, for a client to notice that it does not come back at once."""
        ...

    async def kill9(self) -> None:
        """End it without a chance to tidy up; tasks live on."""
        ...

    async def start(self) -> None:
        """Bring it back, with what it had."""
        ...

    async def restart(self, away: float = 0) -> None:
        """End it in peace, and bring it back after some seconds."""
        ...

    async def kill_shims(self) -> None:
        """Kill the shims of all tasks, with the tasks."""
        ...
