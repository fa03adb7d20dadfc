"""Collect the outcomes of checks, so that every code ends as reported, unknown, not made or fine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.doctor.facts.files import reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cri_shim.doctor.facts.code import Code, Outcome


class Examination:
    """The outcomes so far."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.current: Code | None = None
        """The check that is being made, or whose facts are being read."""

    def reading(self, code: Code) -> None:
        """Note that the facts of this check are read from here on, so that a stall can be reported as its own."""
        self.current = code

    def check(self, codes: Sequence[Code], make: Callable[[], Iterable[Outcome]]) -> None:
        """Make one check, which decides on all of ``codes``; those that it does not mention are fine.

        A file that cannot be read makes the first code unknown: what was not seen is not fine.
        """
        self.reading(codes[0])
        try:
            outcomes = list(make())
        except OSError as error:
            reason = reason_of(error)
            first, *rest = codes
            outcomes = [
                first.unknown(f"this could not be checked: {reason}"),
                *(code.not_made(f"could not be read: {reason}") for code in rest),
            ]
        mentioned = {outcome.code for outcome in outcomes}
        self.outcomes += outcomes
        self.outcomes += [code.fine() for code in codes if code.name not in mentioned]

    def skip(self, codes: Iterable[Code], reason: str) -> None:
        """Note that the codes were not checked."""
        self.outcomes += [code.not_made(reason) for code in codes]
