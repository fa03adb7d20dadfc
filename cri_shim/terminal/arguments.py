"""The arguments of ``cri-shim hops``, ``explain`` and ``status``; their code is imported only when a command runs."""

from __future__ import annotations

import argparse
import math
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from cri_shim.config import Config

_HOPS = (
    "Print a table of the requests that the running daemon remembers: by method, with percentiles, the shares of "
    "transport, own work, own queue and waiting for the world in the wall time, and the price of the extra hop: front "
    "hop, transport and own work, with its possible error."
)
_EXPLAIN = (
    "Print the hops of the last request of a method that the running daemon has answered, and what each is for. "
    "Without a method, list the methods."
)

_STATUS = (
    "Show whether the running daemon is ready, each of its parts with its last error, versions, pods and containers by "
    "state, and what the hop takes. The exit code is 0 if the daemon is ready, and 1 if it is not or cannot be asked."
)


def add_hops(
    commands: Any,
    add_settings: Callable[[argparse.ArgumentParser], None],
    settings: Callable[[argparse.Namespace], Config],
) -> None:
    """Add both commands; ``settings`` reads the configuration that the options name."""

    def hops_command(options: argparse.Namespace) -> int:
        from cri_shim.terminal import commands  # noqa: PLC0415 - see above

        if (wrong := commands.misplaced(options)) is not None:
            sys.stderr.write(f"{wrong}\n")
            return 2
        if options.what[:1] == ["open"]:
            return commands.run_open(options)
        if options.recording:
            return commands.run_with_recording(commands.hops, options)
        return _with_settings(options, settings, partial(commands.run_command, commands.hops, options))

    def explain_command(options: argparse.Namespace) -> int:
        from cri_shim.terminal import commands  # noqa: PLC0415 - see above

        if options.recording:
            return commands.run_with_recording(commands.explain, options)
        return _with_settings(options, settings, partial(commands.run_command, commands.explain, options))

    def add_address(parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--address",
            metavar="ADDRESS",
            default="",
            help="the daemon's HTTP listener: IP:PORT, unix:///PATH or a path (default: that of the running daemon)",
        )
        parser.add_argument(
            "--recording", metavar="FILE", default="", help="ask a recording of `hops record`, in place of a daemon"
        )

    hops = commands.add_parser("hops", help="show what requests cost: table, live list, waterfall", description=_HOPS)
    add_settings(hops)
    add_address(hops)
    hops.add_argument("--follow", "-f", action="store_true", help="print requests as they are answered")
    hops.add_argument("--all", action="store_true", help="with --follow: include requests that only read")
    hops.add_argument("--json", action="store_true", help="print the daemon's answer unchanged")
    hops.add_argument("-o", "--output", choices=("text", "json"), default="text", help="`-o json` is --json")
    hops.add_argument(
        "--format",
        choices=("text", "json", "trace-event", "html"),
        default="",
        help="with show: text, JSON, a trace that Perfetto (ui.perfetto.dev) and chrome://tracing open, or the page "
        "as one file for a browser",
    )
    hops.add_argument(
        "--pod",
        metavar="NAMESPACE/NAME",
        default="",
        help="with show: all requests of a pod, without those that read; with record: only what is about that pod",
    )
    hops.add_argument(
        "--seconds", type=_seconds, metavar="SECONDS", help="with record: end after so long (default: at Ctrl-C)"
    )
    hops.add_argument(
        "--listen",
        metavar="ADDRESS",
        default="",
        help="with open: IP:PORT or unix:///PATH (default: a free port of 127.0.0.1)",
    )
    hops.add_argument(
        "--replay",
        action="store_true",
        help="with open: play the recorded live events again, at the pace at which they came",
    )
    hops.add_argument(
        "what",
        nargs="*",
        metavar="show [ID] | slowest [METHOD] | calibrate | record FILE | open FILE",
        help="one request, or the newest, as a waterfall; the slowest requests; how transport is estimated, and how "
        "well; write everything that the daemon remembers, and what happens meanwhile, into a file; show such a file "
        "in a browser, without a daemon",
    )
    hops.set_defaults(run=hops_command)

    explain = commands.add_parser(
        "explain", help="show the hops of a request, and why each is made", description=_EXPLAIN
    )
    add_settings(explain)
    add_address(explain)
    explain.add_argument("method", nargs="?", default="", metavar="METHOD", help="for example RunPodSandbox")
    explain.set_defaults(run=explain_command)


def add_status(
    commands: Any,
    add_settings: Callable[[argparse.ArgumentParser], None],
    settings: Callable[[argparse.Namespace], Config],
) -> None:
    """Add the command; ``settings`` reads the configuration that the options name."""

    def command(options: argparse.Namespace) -> int:
        from cri_shim.terminal import status_command  # noqa: PLC0415 - see above

        refused = partial(status_command.refused, options)
        return _with_settings(options, settings, partial(status_command.run, options), refused)

    status = commands.add_parser("status", help="show whether the running daemon is ready", description=_STATUS)
    add_settings(status)
    status.add_argument(
        "--wait",
        type=_seconds,
        metavar="SECONDS",
        help="wait until the daemon is ready, at most so long; then exit with code 1",
    )
    status.add_argument("-o", "--output", choices=("text", "json"), default="text", help="text, or one JSON document")
    status.set_defaults(run=command)


def _with_settings(
    options: argparse.Namespace,
    settings: Callable[[argparse.Namespace], Config],
    command: Callable[[Config], int],
    refused: Callable[[str], int] | None = None,
) -> int:
    """Run the command with the settings of the daemon that the options mean, and return its exit code.

    Without such settings ``refused`` gets the reason; without that, it goes to standard error.
    """
    from cri_shim.config import ConfigError  # noqa: PLC0415 - see above
    from cri_shim.terminal.running_daemons import (  # noqa: PLC0415 - see above
        SeveralDaemonsError,
        settings_of_running,
    )

    try:
        config = settings(options) if getattr(options, "address", "") else settings_of_running(options, settings)
    except (ConfigError, SeveralDaemonsError) as error:
        if refused is not None:
            return refused(str(error))
        sys.stderr.write(f"{error}\n")
        return 1
    return command(config)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds
