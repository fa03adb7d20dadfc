"""The commands ``cri-shim hops`` and ``cri-shim explain``: ask the daemon, and print its answers as text."""

from __future__ import annotations

import io
import json
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.terminal.calibration import calibration_text
from cri_shim.terminal.chosen import why_none
from cri_shim.terminal.explain import explained
from cri_shim.terminal.fetch import Explorer, UnreachableError
from cri_shim.terminal.fit import folded
from cri_shim.terminal.screen import print_json, printable, width
from cri_shim.terminal.show import show
from cri_shim.terminal.table import METHODS_LEGEND, methods_table, request_line
from untrusted import escaped

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from cri_shim.config import Config

_LOOPBACK = "127.0.0.1:0"
_LONGEST_METHOD = 40  # characters of what was asked for that an error shows
_FOLLOWED = ("Version", "Status", "List", "Stream", "ImageFsInfo", "ImageStatus", "RuntimeConfig")


def run_command(
    command: Callable[[argparse.Namespace, Explorer], int], options: argparse.Namespace, config: Config
) -> int:
    """Run a command against the daemon that serves with ``config``, and return the exit code."""
    try:
        explorer = Explorer(options.address) if options.address else Explorer.of(config)
    except UnreachableError as error:
        print(error, file=sys.stderr)
        return 1
    return _run(command, options, explorer)


def run_with_recording(command: Callable[[argparse.Namespace, Explorer], int], options: argparse.Namespace) -> int:
    """Run a command with a recording in the daemon's place, and return the exit code."""
    from cri_shim.terminal.recorded import with_recording  # noqa: PLC0415 - loads the HTTP server

    return with_recording(Path(options.recording), partial(_run, command, options))


def run_open(options: argparse.Namespace) -> int:
    """Run ``cri-shim hops open`` and return the exit code; it needs neither a daemon nor a configuration."""
    from cri_shim.terminal.recorded import open_recording  # noqa: PLC0415 - loads the HTTP server

    if len(options.what) != 2:
        print("cri-shim hops open takes one FILE", file=sys.stderr)
        return 2
    return open_recording(Path(options.what[1]), options.listen or _LOOPBACK, replays=options.replay)


def _run(
    command: Callable[[argparse.Namespace, Explorer], int], options: argparse.Namespace, explorer: Explorer
) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names may hold characters that a terminal cannot show
    try:
        try:
            return command(options, explorer)
        except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
            # Values are taken from an answer where they are drawn; another server's, or a later version's, lacks some.
            raise UnreachableError(f"{explorer.not_ours()} ({type(error).__name__}: {escaped(str(error))})") from error
    except UnreachableError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def hops(options: argparse.Namespace, explorer: Explorer) -> int:
    """Run ``cri-shim hops`` and return the exit code."""
    options.json = options.json or options.output == "json"
    match options.what:
        case [] if options.follow:
            return _follow(options, explorer)
        case []:
            return _table(options, explorer)
        case ["show"]:
            return show(explorer, "", options.pod, _form(options))
        case ["show", number] if number.isascii() and number.isdigit():
            return show(explorer, number, "", _form(options))
        case ["slowest", *method] if len(method) <= 1:
            return _slowest(options, explorer, method[0] if method else "")
        case ["calibrate"]:
            return _calibrate(options, explorer)
        case ["record", file]:
            from cri_shim.terminal.record import record  # noqa: PLC0415 - loads the ledger, which no other command needs

            return record(explorer, Path(file), seconds=options.seconds, pod=options.pod)
        case _:
            print(
                "cri-shim hops takes nothing, `show [ID]`, `slowest [METHOD]`, `calibrate`, `record FILE` or "
                "`open FILE`; see --help",
                file=sys.stderr,
            )
            return 2


def misplaced(options: argparse.Namespace) -> str | None:
    """Return what to say of an option that the command would ignore."""
    what = options.what[0] if options.what else ""
    if options.format and what != "show":
        return "--format is an option of `cri-shim hops show`"
    if options.pod and options.what != ["show"] and what != "record":
        return "--pod is an option of `cri-shim hops show`, in place of an id, and of `cri-shim hops record`"
    if options.seconds is not None and what != "record":
        return "--seconds is an option of `cri-shim hops record`"
    if options.listen and what != "open":
        return "--listen is an option of `cri-shim hops open`"
    if options.replay and what != "open":
        return "--replay is an option of `cri-shim hops open`"
    if options.recording and (options.follow or what in {"record", "open"}):
        return "--recording is for what can be asked of a recording: not --follow, `record` or `open`"
    return None


def _form(options: argparse.Namespace) -> str:
    return options.format or ("json" if options.json else "text")


def _table(options: argparse.Namespace, explorer: Explorer) -> int:
    answer = explorer.get("/api/methods")
    if options.json:
        print_json(answer)
        return 0
    table = f"{methods_table(answer['methods'], width())}\n\n{folded(METHODS_LEGEND, width())}"
    print(printable(table) if answer["methods"] else why_none(answer))
    return 0


def _follow(options: argparse.Namespace, explorer: Explorer) -> int:
    for name, data in explorer.live():
        if name != "end" or (not options.all and data["code"] == "OK" and data["method"].startswith(_FOLLOWED)):
            continue
        print(json.dumps(data) if options.json else printable(request_line(data, width())), flush=True)
    return 0


def _slowest(options: argparse.Namespace, explorer: Explorer, method: str) -> int:
    query = {"method": method} if method else {}
    answer = explorer.get("/api/requests", slowest="1", **query)
    if options.json:
        print_json(answer)
        return 0
    for summary in answer["requests"]:
        print(printable(request_line(summary, width())))
    return 0


def _calibrate(options: argparse.Namespace, explorer: Explorer) -> int:
    answer = explorer.get("/api/calibration")
    if options.json:
        print_json(answer)
        return 0
    print(printable(calibration_text(answer, width())))
    return 0


def explain(options: argparse.Namespace, explorer: Explorer) -> int:
    """Run ``cri-shim explain`` and return the exit code."""
    answer = explorer.get("/api/methods")
    known = sorted(method["method"] for method in answer["methods"])
    if not known:
        print(why_none(answer), file=sys.stderr if options.method else sys.stdout)
        return 1 if options.method else 0
    if not options.method:
        print(printable("\n".join(known)))
        return 0
    if options.method not in known:
        asked = escaped(options.method, _LONGEST_METHOD)
        said = f"no {asked} request is remembered; send one, or explain one of these:"
        print(folded(said, width(), ""), file=sys.stderr)
        print(printable("\n".join(f"  {method}" for method in known)), file=sys.stderr)
        return 1
    candidates = explorer.get("/api/requests", method=options.method, limit="100")["requests"]
    # A failed request shows only half of the hops, so a successful one is the better example.
    chosen = next((one for one in candidates if one["code"] == "OK"), candidates[0])
    print(printable(explained(explorer.get(f"/api/requests/{chosen['id']}"), width=width())))
    return 0
