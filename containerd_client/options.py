"""Set options for all calls inside a ``with`` block: deadline, lease, namespace, extra metadata.

The options live in a context variable, so that a lease or a deadline reaches calls deep inside the block without being
passed from function to function. A task inherits the options of the code that started it; a task that outlives that
code starts with ``with detached_options():``.
"""

from __future__ import annotations

from contextvars import ContextVar
from time import monotonic
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextvars import Token
    from types import TracebackType

LEASE_KEY = "containerd-lease"
NAMESPACE_KEY = "containerd-namespace"
TRACE_KEY = "traceparent"


class CallOptions(Struct, frozen=True):
    """The current options; made by :class:`call_options`."""

    deadline: float | None = None
    """Seconds on the clock of ``time.monotonic``."""
    lease: str = ""
    namespace: str = ""
    """Empty means the client's own namespace."""
    extra: tuple[tuple[str, str], ...] = ()

    def remaining(self) -> float | None:
        """Return the seconds until the deadline, never below 0; None without a deadline."""
        return None if self.deadline is None else max(0.0, self.deadline - monotonic())

    def metadata(self, default_namespace: str) -> tuple[tuple[str, str], ...]:
        """Return a call's metadata, for a client whose own namespace is ``default_namespace``."""
        head = ((NAMESPACE_KEY, self.namespace or default_namespace),)
        return (*head, (LEASE_KEY, self.lease), *self.extra) if self.lease else (*head, *self.extra)


PLAIN = CallOptions()
current: ContextVar[CallOptions | None] = ContextVar("containerd_call_options", default=None)
"""The client reads this at each call; None when no options are set."""


class _Block:
    """A block with its own options; the previous options return when it ends."""

    __slots__ = ("_options", "_token")

    def __init__(self, options: CallOptions | None) -> None:
        self._options = options
        self._token: Token[CallOptions | None] | None = None

    def __enter__(self) -> None:
        self._token = current.set(self._options)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._token is not None:
            current.reset(self._token)
            self._token = None


def call_options(
    timeout: float | None = None,
    lease: str | None = None,
    namespace: str | None = None,
    metadata: Sequence[tuple[str, str]] = (),
) -> _Block:
    """Set options for the calls of a ``with`` block.

    ``timeout`` is in seconds from now; with nested blocks the earliest deadline wins. ``lease`` and ``namespace``
    replace the outer ones (an empty string removes them). ``metadata`` is added to the outer metadata; its keys are
    lower case.
    """
    outer = current.get() or PLAIN
    deadline = outer.deadline
    if timeout is not None:
        own = monotonic() + timeout
        deadline = own if deadline is None else min(deadline, own)
    return _Block(
        CallOptions(
            deadline=deadline,
            lease=outer.lease if lease is None else lease,
            namespace=outer.namespace if namespace is None else namespace,
            extra=(*outer.extra, *metadata),
        )
    )


def detached_options() -> _Block:
    """Drop the outer options inside a ``with`` block, for work that outlives the request that started it."""
    return _Block(None)
