"""The arguments of ``cri-shim doctor``; its code is imported only when the command runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from cri_shim.config import Config

_DOCTOR = (
    "Check this node for what keeps pods from running, and print what is wrong and what to do. Nothing is changed, and "
    "nothing is sent over a network unless --network is given. The exit code is 1 if there is an error, with --strict "
    "also for a warning or something unknown; else 0."
)


def add_doctor(
    commands: Any,
    add_settings: Callable[[argparse.ArgumentParser], None],
    settings: Callable[[argparse.Namespace], Config],
) -> None:
    """Add the command; ``settings`` reads the configuration that the options name."""

    def doctor_command(options: argparse.Namespace) -> int:
        os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
        from cri_shim.doctor import command  # noqa: PLC0415 - imports grpc, which must see the variable above

        return command.run(options, settings)

    doctor = commands.add_parser("doctor", help="check the node, and say what to do", description=_DOCTOR)
    add_settings(doctor)
    doctor.add_argument(
        "--ignore", action="append", default=[], metavar="CODE", help="leave out a code; may be given several times"
    )
    doctor.add_argument("--all", action="store_true", help="also print what is fine, and what was not checked")
    doctor.add_argument("--strict", action="store_true", help="exit with 1 also for warnings and what is unknown")
    doctor.add_argument("--network", action="store_true", help="ask the registry whether it has the sandbox image")
    doctor.add_argument("-o", "--output", choices=("text", "json"), default="text", help="how to print the report")
    doctor.set_defaults(run=doctor_command)
