"""Remember which hosts failed lately, and choose the host to ask next.

A mirror exists to make pulls faster. A mirror that is down or busy is therefore skipped at once, for the rest of the
pull and for a short while by all pulls; only the last host, the registry itself, is waited for. A skipped host is still
asked if no other host has the thing.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from containerd_client.distribution.registries.hosts import Host

REMEMBERED = 30.0
"""Seconds for which all pulls skip a host that failed."""
LONGEST = 300.0
"""Longest time in seconds for which they skip a host that asks for a longer wait."""


class HostHealth:
    """The hosts that failed lately, by their URL."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def failed(self, host: Host, wait: float = 0.0) -> None:
        """Remember that a host could not be reached or was busy; ``wait`` is the time it asked for, in seconds."""
        now = self._clock()
        for base in [base for base, until in self._until.items() if until <= now]:
            del self._until[base]
        self._until[host.base] = now + min(max(REMEMBERED, wait), LONGEST)

    def answered(self, host: Host) -> None:
        """Forget that a host failed."""
        self._until.pop(host.base, None)

    def failing(self, host: Host) -> bool:
        """Return whether a host should be skipped."""
        return self._until.get(host.base, 0.0) > self._clock()


class Rotation:
    """The order in which the hosts are asked for one thing, for as long as it takes.

    ``failed`` are the hosts that failed in this pull. The order is that of the file, except that a failing host waits
    until the others have been asked twice. After all hosts have been asked, they are asked again. A server may be in
    the file twice, as a mirror with its own settings and as the server; these count as two hosts.
    """

    def __init__(self, hosts: Sequence[Host], health: HostHealth, failed: set[str]) -> None:
        self._hosts = tuple(hosts)
        self._health = health
        self._failed = failed
        self._asked: Counter[Host] = Counter()

    def next(self) -> Host:
        """Return the host to ask now."""
        chosen = min(self._hosts, key=self._rank)
        self._asked[chosen] += 1
        return chosen

    def prefer(self, host: Host) -> None:
        """Stay with a host that sent something before it failed."""
        self._asked[host] -= 1

    def refused(self, host: Host) -> None:
        """Ask all other hosts before asking this one again, because its answer was definite."""
        self._asked[host] += 2

    @property
    def more(self) -> bool:
        """Return whether there is a host left that has not been asked and does not fail."""
        return any(not self._asked[host] and not self._passed_over(host) for host in self._hosts)

    @property
    def exhausted(self) -> bool:
        """Return whether every host has been asked."""
        return all(self._asked[host] for host in self._hosts)

    def is_last(self, host: Host) -> bool:
        """Return whether this is the last host, which is waited for."""
        return host == self._hosts[-1]

    def _rank(self, host: Host) -> int:
        return self._asked[host] + (2 if self._passed_over(host) else 0)

    def _passed_over(self, host: Host) -> bool:
        return not self.is_last(host) and (host.base in self._failed or self._health.failing(host))
