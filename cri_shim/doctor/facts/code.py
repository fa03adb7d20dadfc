"""The results of checks. Every kind of result has a stable code, which scripts and ``--ignore`` may rely on.

A code is fine, reported, or not checked. A check that could not be made reports its code as ``unknown`` if this is news
to the reader, or says that it was not made if another line already gives the reason (containerd is down, say).
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from msgspec import Struct

from untrusted import escaped

Severity: TypeAlias = Literal["error", "warning", "note", "unknown"]
SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "note", "unknown")

_LONGEST: Final = 800
"""Characters of a sentence; names from outside in it are bounded by the same limit."""


class Finding(Struct, frozen=True):
    """One line of the doctor: what is wrong, or unknown, and what to do. A remedy that begins with ``$`` is a command.

    ``what`` and ``remedy`` are printable.
    """

    code: str
    severity: Severity
    what: str
    remedy: tuple[str, ...] = ()


class Fine(Struct, frozen=True):
    """A check that was made and has nothing to report."""

    code: str
    what: str


class NotMade(Struct, frozen=True):
    """A check that was not made, for a reason that another line names."""

    code: str
    reason: str


Outcome: TypeAlias = Finding | Fine | NotMade


class Code(Struct, frozen=True):
    """One kind of result: its name, its severity when it is reported, and what it means in general."""

    name: str
    severity: Severity
    wrong: str
    """What is the case if it is reported, as docs/doctor.md says it."""
    right: str
    """What is the case if it is not."""

    def report(self, what: str, *remedy: str) -> Finding:
        """Return the finding that this is the case."""
        return Finding(self.name, self.severity, clean(what), tuple(map(clean, remedy)))

    def unknown(self, what: str, *remedy: str) -> Finding:
        """Return the finding that it is not known whether this is the case."""
        return Finding(self.name, "unknown", clean(what), tuple(map(clean, remedy)))

    def fine(self, what: str = "") -> Fine:
        """Return that this is not the case."""
        return Fine(self.name, clean(what or self.right))

    def not_made(self, reason: str) -> NotMade:
        """Return that this was not checked."""
        return NotMade(self.name, clean(reason))


def clean(text: str) -> str:
    """Return a sentence that may contain names from outside as one printable line of bounded length."""
    return escaped(text, _LONGEST)
