"""Whether requests can be answered now, and the sentence that says why not."""

from __future__ import annotations

import asyncio

from cri_shim.errors import UnavailableError

_STARTING = "server is not initialized yet"


class Readiness:
    """Not ready until pods and containers were read from containerd once, and again while containerd is away."""

    def __init__(self) -> None:
        self._reason: str = _STARTING
        self._known = asyncio.Event()
        self.connects = 0
        """How often containerd was found and read."""
        self.containerd_version = ""
        """Of the containerd that was found last; empty before that."""

    def set_step(self, doing: str) -> None:
        """Say what is being waited for, until it is done or fails."""
        if not self.ready:
            self._reason = f"{_STARTING}: it is {doing}" if not self.connects else f"containerd is back: {doing}"

    @property
    def ready(self) -> bool:
        """Requests are answered."""
        return not self._reason

    @property
    def reason(self) -> str:
        """The sentence for clients; empty when ready."""
        return self._reason

    def set_ready(self, containerd_version: str = "") -> None:
        """What is in memory is what is in containerd."""
        self.containerd_version = containerd_version
        self._reason = ""
        self.connects += 1
        self._known.set()

    def set_away(self, reason: str) -> None:
        """The event stream broke: what is in memory may be out of date until it is read again."""
        self._reason = reason
        self._known.set()

    async def wait_known(self) -> None:
        """Return when it is known for the first time whether containerd is there, and what is in it."""
        await self._known.wait()

    def require(self) -> None:
        """Raise UnavailableError with the reason unless ready."""
        if self._reason:
            raise UnavailableError(self._reason)
