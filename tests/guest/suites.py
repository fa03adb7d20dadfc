"""What runs in the guest, in this order: each suite is one run of pytest with its own node."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Suite:
    """One run of pytest. ``claim`` says what it shows; ``environment`` is for tests/lab."""

    name: str
    claim: str
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()


SUITES = (
    Suite(
        "conformance",
        "CRI on cgroup v2, cgroupfs driver",
        ("tests/conformance", "--cri-kind=bridge"),
    ),
)
