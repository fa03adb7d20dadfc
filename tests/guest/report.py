"""What came back from the guest: one line for each suite, each failure with its reason, and the sum of it.

pytest's JUnit files say it. A suite without one (it crashed, or never came to its turn) counts as failed: silence is
not success.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.guest.suites import Suite

REASON_LINES = 12


@dataclass(slots=True)
class Outcome:
    """One suite: how many tests did what, and what is wrong."""

    name: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        """It in a line."""
        counts = f"{self.passed:4} passed {self.failed:3} failed {self.skipped:3} skipped"
        return f"{self.name:24} {counts}  {self.seconds:6.1f} s"


def outcome(suite: Suite, results: Path) -> Outcome:
    """Read what a suite has left."""
    result = Outcome(suite.name)
    xml, code = results / f"{suite.name}.xml", results / f"{suite.name}.code"
    if suite.module and code.exists():
        return measured(result, code.read_text())
    if not xml.exists() or not code.exists():
        result.failed = 1
        result.problems.append(f"{suite.name} did not come to its end")
        return result
    for case in ET.parse(xml).iter("testcase"):
        result.seconds += float(case.get("time", "0"))
        bad = [one for one in case if one.tag in {"failure", "error"}]
        if bad:
            result.failed += 1
            reason = (bad[0].text or bad[0].get("message") or "").strip().splitlines()[-REASON_LINES:]
            result.problems.append("\n    ".join([f"{case.get('classname')}::{case.get('name')}", *reason]))
        elif case.find("skipped") is not None:
            result.skipped += 1
        else:
            result.passed += 1
    # 0: all well, 1: some failed; anything else is pytest's own trouble (no tests, a wrong argument, an interrupt).
    if code.read_text() not in {"0", "1"} or not result.passed:
        result.failed += 1
        result.problems.append(f"pytest ended with {code.read_text()}, and {result.passed} tests passed")
    return result


def measured(result: Outcome, code: str) -> Outcome:
    """Return the outcome of a measurement that ended with this exit code; it counts as one test."""
    if code == "0":
        result.passed = 1
    else:
        result.failed = 1
        result.problems.append(f"the measurement {result.name} ended with {code}")
    return result


def summary(outcomes: Iterable[Outcome], seconds: float) -> tuple[str, bool]:
    """The report, which ends in a line like pytest's, and whether all is well."""
    every = list(outcomes)
    lines = [f"{one.name}: {problem}" for one in every for problem in one.problems]
    lines += [one.line for one in every]
    passed, failed, skipped = (sum(getattr(one, name) for one in every) for name in ("passed", "failed", "skipped"))
    lines.append(f"guest: {passed} passed, {failed} failed, {skipped} skipped in {seconds:.0f}s")
    return "\n".join(lines), bool(every) and not failed
