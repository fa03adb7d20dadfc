"""The configuration file: with a mistake in it, no daemon starts and nothing else can be judged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from cri_shim.doctor.facts.code import Code
from cri_shim.doctor.facts.place import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cri_shim.config import ConfigError
    from cri_shim.doctor.facts.code import Outcome
    from cri_shim.doctor.facts.place import Place

INVALID = Code("config-invalid", "error", "the configuration has a mistake", "the configuration is valid")
CODES: Final = (INVALID,)


def judge_configuration(error: ConfigError, place: Place) -> Iterator[Outcome]:
    """Report each mistake; what this user may not read is unknown."""
    if error.denied:
        yield INVALID.unknown(str(error), place.sudo())
        return
    for problem in error.problems:
        where = f"in line {problem.line} of {problem.source}" if problem.line else f"at {problem.source}"
        is_file = not problem.source.startswith("--")
        yield INVALID.report(
            str(problem),
            f"correct it {where}{', and check it again:' if is_file else ''}",
            *((f"$ cri-shim config check {quoted(Path(problem.source))}",) if is_file else ()),
        )
