"""The command ``cri-shim doctor``: examine, print, and return the exit code."""

from __future__ import annotations

import contextlib
import difflib
import io
import logging
import os
import sys
from typing import TYPE_CHECKING

import structlog

from cri_shim.config import ConfigError
from cri_shim.doctor.codes import CODES
from cri_shim.doctor.examine import examine_mistakes
from cri_shim.doctor.facts.place import Place
from cri_shim.doctor.report import Report, as_json, as_text
from cri_shim.doctor.within_time import examine_within_time

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from cri_shim.config import Config
    from cri_shim.doctor.facts.code import Outcome

WRONG_USAGE = 2


def run(options: argparse.Namespace, settings: Callable[[argparse.Namespace], Config]) -> int:
    """Run the command with the configuration that ``settings`` reads."""
    known = {code.name for code in CODES}
    if (unknown := next((code for code in options.ignore if code not in known), None)) is not None:
        similar = difflib.get_close_matches(unknown, known, n=1)
        hint = f"; did you mean {similar[0]}?" if similar else "; --all shows every code"
        sys.stderr.write(f"cri-shim doctor: there is no code {unknown!r}{hint}\n")
        return WRONG_USAGE
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names may hold characters that a terminal cannot show
    with _without_log():
        outcomes, stalled = _outcomes(options, settings)
    report = Report.of(outcomes, options.ignore)
    exit_code = report.exit_code(strict=options.strict)
    try:
        sys.stdout.write(as_json(report) if options.output == "json" else as_text(report, everything=options.all))
        sys.stdout.flush()
    finally:
        if stalled:
            os._exit(exit_code)  # an ordinary exit might wait for a thread that hangs, also where output has no place
    return exit_code


def _outcomes(
    options: argparse.Namespace, settings: Callable[[argparse.Namespace], Config]
) -> tuple[list[Outcome], bool]:
    try:
        config = settings(options)
    except ConfigError as error:
        return examine_mistakes(error, Place.here()), False
    examination, stalled = examine_within_time(config, Place.here(), network=options.network)
    return examination.outcomes, stalled


@contextlib.contextmanager
def _without_log() -> Iterator[None]:
    """Keep the log quiet: the rooms that the checks use log what they meet, and here the checks report it."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)
