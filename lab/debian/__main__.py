"""Get a program that this machine does not have: ``python -m lab.debian containerd 2.1`` prints where it is.

It is taken from Debian's archive and unpacked in the checkout, never installed; the next call finds it there without
any download.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from lab.debian import containerd_versions, criu, docker_engine, oci_runtimes, pythons
from lab.debian.packages import NotAvailableError
from lab.debian.promtool import promtool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def add_program(
    programs: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    text: str,
    place: Callable[[argparse.Namespace], object],
    version: Sequence[str] | None = None,
) -> None:
    """Add a program whose place ``place`` returns; ``version`` are those that there are, empty for any."""
    parser = programs.add_parser(name, help=text, description=text)
    if version is not None:
        parser.add_argument("version", choices=version or None)
    parser.set_defaults(place=place)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the place of the program that the arguments name; return 1 with the reason if it cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m lab.debian", description=__doc__)
    programs = parser.add_subparsers(required=True, metavar="PROGRAM")
    add_program(
        programs,
        "containerd",
        "print the folder of a line of containerd",
        lambda chosen: containerd_versions.binaries(chosen.version),
        sorted(containerd_versions.LINES),
    )
    add_program(programs, "criu", "print the folder of a criu that works here", lambda _: criu.criu_folder())
    add_program(
        programs,
        "docker",
        "print the folders of Docker Engine as a part of PATH",
        lambda _: ":".join(map(str, docker_engine.folders())),
    )
    add_program(
        programs,
        "oci",
        "print the program of an OCI runtime",
        lambda chosen: oci_runtimes.program(chosen.version),
        sorted(oci_runtimes.RUNTIMES),
    )
    add_program(
        programs, "python", "print the program of a Python, such as 3.13", lambda one: pythons.program(one.version), ()
    )
    add_program(programs, "promtool", "print the program that checks Prometheus's rules", lambda _: promtool())
    chosen = parser.parse_args(arguments)
    try:
        sys.stdout.write(f"{chosen.place(chosen)}\n")
    except NotAvailableError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
