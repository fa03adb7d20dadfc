"""Keep whether requests can be answered now, and the sentence that says why not."""

from __future__ import annotations

import asyncio

from cri_shim.errors import UnavailableError
from cri_shim.part_history import PartHistory

_STARTING = "server is not initialized yet"


class Readiness:
    """Not ready until pods and containers have been read from containerd, and again while containerd is away."""

    def __init__(self) -> None:
        self._reason: str = _STARTING
        self._known = asyncio.Event()
        self._read = asyncio.Event()
        self.history = PartHistory(_STARTING)
        """Since when containerd is there or away, and why it was away last."""
        self.connects = 0
        """How many times containerd was connected to and read."""
        self.silence = ""
        """Why containerd counts as silent, although its event stream stands; empty while it answers. Requests are
        served all the same, each hop within its time limit."""
        self.containerd_version = ""
        """The version of the containerd that was connected to last; empty before that."""

    def set_step(self, doing: str) -> None:
        """Say which step is under way, until it is done or fails."""
        if not self.ready:
            self._reason = f"{_STARTING}: it is {doing}" if not self.connects else f"containerd is back: {doing}"

    @property
    def ready(self) -> bool:
        """Whether requests are answered."""
        return not self._reason

    @property
    def reason(self) -> str:
        """The sentence for clients; empty when ready."""
        return self._reason

    @property
    def healthy(self) -> bool:
        """Whether requests are answered and, as far as is known, containerd answers."""
        return not (self._reason or self.silence)

    def set_ready(self, containerd_version: str = "") -> None:
        """Become ready: memory now agrees with containerd."""
        self.containerd_version = containerd_version
        self._reason = self.silence = ""
        self.history.note("")
        self.connects += 1
        self._known.set()
        self._read.set()

    def set_away(self, reason: str) -> None:
        """Become not ready: the event stream broke, so memory may be out of date until it is read again."""
        self._reason, self.silence = reason, ""
        self.history.note(reason)
        self._known.set()

    def set_silence(self, reason: str) -> None:
        """Note why containerd counts as silent, or with an empty text that it answers again."""
        self.silence = reason
        self.history.note(self._reason or reason)

    async def wait_known(self) -> None:
        """Return once the first attempt to connect to containerd has succeeded or failed."""
        await self._known.wait()

    async def wait_read(self) -> None:
        """Return once pods and images have been read from containerd for the first time."""
        await self._read.wait()

    def require(self) -> None:
        """Raise UnavailableError with the reason unless ready."""
        if self._reason:
            raise UnavailableError(self._reason)
