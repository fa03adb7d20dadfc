"""Declare the arguments of ``cri-shim compare`` and ``cri-shim compare report``, without importing anything heavy."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from cri_shim.bench.endpoint.rhythm import parse_rhythm

_COMPARE = (
    "Run the same pods through two or more CRI endpoints in turns, after checking that they do the same work, and "
    "write the measurements to a file; then write the report. The other endpoints are compared with the first one. "
    "Running the same command again resumes an interrupted run. Nothing else should run on the machine."
)
_REPORT = "Write the report of one run, or of two runs side by side, as HTML and as Markdown."


def add_compare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command; its implementation is only imported when it runs."""
    compare = commands.add_parser(
        "compare", help="measure CRI endpoints against each other", description=_COMPARE, allow_abbrev=False
    )
    side = compare.add_argument
    side("--endpoint", action="append", default=[], metavar="NAME=unix:///PATH", help="an endpoint and its name")
    side(
        "--behind",
        action="append",
        default=[],
        metavar="NAME=unix:///PATH",
        help="a daemon behind an endpoint; its CPU time, memory and shims count for that side",
    )
    side("--image", default="", metavar="REF", help="what the pods run: an image with busybox in it")
    side("--pull-image", default="", metavar="REF", help="an image for the scenario `pull`, skipped without one")
    side(
        "--client",
        default="",
        metavar="PATH",
        help="a program that makes the calls, for a client in another language (docs/client-protocol.md; default: a "
        "Python client within this program)",
    )
    side("--output", type=Path, default=Path("compare.json"), metavar="FILE", help="the result (default: compare.json)")
    side("--directory", type=Path, metavar="DIR", help="for logs of pods (default: a temporary directory)")
    side(
        "--cgroup-parent",
        default="/cri-compare",
        metavar="PATH",
        help="a path or a systemd slice (default: /cri-compare)",
    )
    side("--runtime-handler", default="", metavar="NAME", help="runtime handler of the pods (default: none)")
    side(
        "--oci-runtime",
        default="runc",
        metavar="PROGRAM",
        help="the OCI runtime of all sides: the result names its version, and `floor` runs it (default: runc)",
    )
    side("--require-parity", action="store_true", help="measure nothing if the sides do not do the same work")
    side("--cni-conf-dir", default="", metavar="DIR", help="for `floor`: CNI configurations (default: the side's)")
    side("--cni-bin-dir", action="append", default=[], metavar="DIR", help="for `floor`: CNI plugins (may be repeated)")
    side("--require-quiet", action="store_true", help="exit at once if the machine is too busy to measure")
    side("--note", action="append", default=[], metavar="TEXT", help="for the report: how the sides were set up")
    side("--scenario", action="append", default=[], metavar="NAME", help="only this (may be repeated; default: all)")
    side("--rounds", type=_count, default=0, metavar="N", help="rounds of each scenario (default: the scenario's)")
    side("--warm-up", type=int, default=1, metavar="N", help="runs of each side that do not count (default: 1)")
    side("--pods", type=_count, default=105, metavar="N", help="pods of `batch` (default: 105)")
    side("--calls-at", type=_counts, metavar="N,N…", help="idle pods of `calls` (default: 0,35,105,250)")
    side("--steady-at", type=_counts, metavar="N,N…", help="idle pods of `steady` (default: 105)")
    side(
        "--rhythm",
        type=_rhythms,
        action="extend",
        default=[],
        metavar="back-to-back|40ms|1s|…",
        help="quiet before each call of `calls` and `exec`; each rhythm is a step (may be repeated; default: "
        "back-to-back, 40ms and 1s for `calls` at the fewest pods, else back-to-back)",
    )
    side("--window", type=float, default=10.0, metavar="S", help="seconds of a run of `steady` (default: 10)")
    side(
        "--kubelet",
        default="",
        metavar="PATH",
        help="a kubelet; with it, the scenario `kubelet` runs it alone on one side at a time and measures it, too",
    )
    side("--kubelet-at", type=_counts, metavar="N,N…", help="static pods of `kubelet` (default: 105)")
    side("--kubelet-window", type=_seconds, metavar="S", help="seconds of a run of `kubelet` (default: 60)")
    side("--kubelet-before", type=_seconds, metavar="S", help="seconds before it that do not count (default: 30)")
    side("--log-mib", type=_count, default=64, metavar="N", help="MiB that one chatty container prints (default: 64)")
    side("--stream-mib", type=_count, default=256, metavar="N", help="MiB that `streams` transfers (default: 256)")
    _add_report_files(compare, "the result")
    # For a program that sets the sides up and runs this: the report has to name the command that does all of it.
    side("--command-line", default="", help=argparse.SUPPRESS)
    # For lab/compare.py, which announces the run before it sets the sides up.
    side("--announced", action="store_true", help=argparse.SUPPRESS)
    compare.set_defaults(run=_run_compare, parser=compare)
    reports = compare.add_subparsers(metavar="[report FILE.json [OTHER.json]]")
    report = reports.add_parser("report", help="write the report of one run, or of two", description=_REPORT)
    report.add_argument("file", type=Path, metavar="FILE.json")
    report.add_argument("other", type=Path, nargs="?", metavar="OTHER.json", help="a later run to compare with it")
    _add_report_files(report, "FILE.json")
    report.add_argument(
        "--price-table",
        type=Path,
        metavar="PAGE.md",
        help="only the price by RPC and rhythm, as Markdown: a new file, or one with the lines `<!-- price table NAME: "
        "begin -->` and `<!-- price table NAME: end -->`, for NAME.json",
    )
    report.set_defaults(run=_run_report)


def _add_report_files(parser: argparse.ArgumentParser, beside: str) -> None:
    parser.add_argument("--html", type=Path, metavar="FILE", help=f"the report (default: both beside {beside})")
    parser.add_argument(
        "--markdown",
        type=Path,
        metavar="FILE",
        help="the report as Markdown, its pictures in a folder of the same name",
    )


def _run_compare(options: argparse.Namespace) -> int:
    if not options.endpoint or not options.image:
        options.parser.error("--endpoint and --image are needed")
    from cri_shim.bench import command  # noqa: PLC0415 - brings in grpc

    return command.compare(options)


def _run_report(options: argparse.Namespace) -> int:
    from cri_shim.bench import command  # noqa: PLC0415 - brings in grpc

    return command.report(options)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 on")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0")
    return number


def _rhythms(text: str) -> list[float]:
    try:
        return [parse_rhythm(each) for each in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _counts(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))
