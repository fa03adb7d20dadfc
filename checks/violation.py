"""What a rule reports: a place, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """One place that breaks a rule, in the form that editors and terminals turn into a link."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        """Return ``path:line: text``."""
        return f"{self.path}:{self.line}: {self.text}"
