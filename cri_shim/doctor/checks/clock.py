"""The clock: certificates, tokens and the order of log lines depend on it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from cri_shim.doctor.facts.code import Code
from cri_shim.kernel.clock import is_synchronised

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cri_shim.doctor.facts.code import Outcome

WRONG = Code("clock-wrong", "error", "the clock is years behind", "the clock shows a plausible time")
NOT_SYNCHRONISED = Code(
    "clock-not-synchronised", "note", "no program keeps the clock right", "the clock is synchronised"
)
CODES: Final = (WRONG, NOT_SYNCHRONISED)

_PLAUSIBLE: Final = 1_704_067_200
"""2024-01-01, before any version of this program."""


class Clock(Struct, frozen=True):
    """The time in seconds since 1970, and whether the kernel takes it for synchronised (None: it does not say)."""

    now: float
    synchronised: bool | None


def read_clock() -> Clock:
    """Return the time, and whether the kernel says that a program corrects it."""
    try:
        return Clock(time.time(), is_synchronised())
    except OSError:
        return Clock(time.time(), None)  # a sandbox refuses adjtimex(2) altogether


def judge_clock(clock: Clock) -> Iterator[Outcome]:
    """Report a clock that is years behind, which breaks TLS, and one that no program corrects."""
    set_it = "set it, and keep it right, with chrony or systemd-timesyncd:"
    if clock.now < _PLAUSIBLE:
        year = time.gmtime(max(clock.now, 0)).tm_year
        yield WRONG.report(
            f"the clock says {year}: certificates of registries are not valid yet", set_it, "$ apt install chrony"
        )
    if clock.synchronised is None:
        yield NOT_SYNCHRONISED.unknown("the kernel does not say whether the clock is synchronised", "$ timedatectl")
    elif not clock.synchronised:
        yield NOT_SYNCHRONISED.report("the clock is not synchronised", set_it, "$ apt install chrony")
