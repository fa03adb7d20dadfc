"""Show the outcomes: as text of 80 columns for a reader, as JSON for a program, and as an exit code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from cri_shim.doctor.facts.code import SEVERITIES, Finding, Fine, NotMade
from cri_shim.wrapped_text import wrapped

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from cri_shim.doctor.facts.code import Outcome

_ORDER: Final = {severity: number for number, severity in enumerate(SEVERITIES)}
_PLURAL: Final = {"error": "errors", "warning": "warnings", "note": "notes", "unknown": "unknown"}


class Report(Struct, frozen=True):
    """The outcomes of an examination, sorted; what was to be ignored is only in ``ignored``."""

    findings: tuple[Finding, ...]
    fine: tuple[Fine, ...]
    not_made: tuple[NotMade, ...]
    ignored: tuple[str, ...]

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], ignored: Collection[str] = ()) -> Report:
        """Sort the outcomes by severity; ``ignored`` are codes."""
        kept = [outcome for outcome in outcomes if outcome.code not in ignored]
        findings = sorted(
            (outcome for outcome in kept if isinstance(outcome, Finding)), key=lambda each: _ORDER[each.severity]
        )
        reported = {finding.code for finding in findings}
        return cls(
            tuple(findings),
            tuple(outcome for outcome in kept if isinstance(outcome, Fine) and outcome.code not in reported),
            tuple(outcome for outcome in kept if isinstance(outcome, NotMade) and outcome.code not in reported),
            tuple(sorted({outcome.code for outcome in outcomes if outcome.code in ignored})),
        )

    def exit_code(self, *, strict: bool = False) -> int:
        """Return 1 if there is an error, with ``strict`` also for a warning or something unknown, else 0."""
        failing = {"error", "warning", "unknown"} if strict else {"error"}
        return int(any(finding.severity in failing for finding in self.findings))

    def counts(self) -> dict[str, int]:
        """Return how many codes ended in each way; a code counts once, as the most severe of its findings."""
        worst: dict[str, str] = {}
        for finding in self.findings:
            worst.setdefault(finding.code, finding.severity)
        by_severity = {severity: list(worst.values()).count(severity) for severity in SEVERITIES}
        fine = {outcome.code for outcome in self.fine}
        not_made = {outcome.code for outcome in self.not_made} - fine
        return by_severity | {"fine": len(fine), "not_made": len(not_made), "ignored": len(self.ignored)}


def as_text(report: Report, *, everything: bool) -> str:
    """Return the report as lines; ``everything`` includes what is fine, and what was not checked."""
    lines = [line for finding in report.findings for line in _finding(finding)]
    if everything:
        for not_made in report.not_made:
            lines += wrapped(f"not made: {not_made.code}: {not_made.reason}", further="  ")
        for fine in report.fine:
            lines += wrapped(f"fine: {fine.code}: {fine.what}", further="  ")
    lines += wrapped(_summary(report), further="  ")
    return "".join(f"{line}\n" for line in lines)


def _finding(finding: Finding) -> Iterator[str]:
    yield from wrapped(f"{finding.severity}: {finding.code}: {finding.what}", further="  ")
    for remedy in finding.remedy:
        if remedy.startswith("$ "):
            yield f"    {remedy}"  # a command is copied as a whole
        else:
            yield from wrapped(remedy, first="    ", further="    ")


def _summary(report: Report) -> str:
    counts = report.counts()
    parts = [
        f"{counts[severity]} {severity if counts[severity] == 1 else _PLURAL[severity]}"
        for severity in SEVERITIES
        if counts[severity]
    ]
    parts.append(f"{counts['fine']} fine")
    parts += [
        f"{counts[key]} {words}" for key, words in (("not_made", "not made"), ("ignored", "ignored")) if counts[key]
    ]
    return f"{sum(counts.values())} checks: {', '.join(parts)}"


def as_json(report: Report) -> str:
    """Return the report as one JSON document; docs/doctor.md describes its keys."""
    document: dict[str, Any] = {
        "findings": [
            {"code": each.code, "severity": each.severity, "what": each.what, "remedy": list(each.remedy)}
            for each in report.findings
        ],
        "fine": [{"code": each.code, "what": each.what} for each in report.fine],
        "not_made": [{"code": each.code, "reason": each.reason} for each in report.not_made],
        "ignored": list(report.ignored),
        "counts": report.counts(),
    }
    return json.dumps(document, indent=2) + "\n"
