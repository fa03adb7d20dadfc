"""The arguments of ``cri-shim completion``; its code is imported only when the command runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

_COMPLETION = (
    "Print a script that completes the commands and options of this program. The package of Debian has it installed; "
    "else, for bash, put `source <(cri-shim completion bash)` into ~/.bashrc."
)


def add_completion(commands: Any, parser: argparse.ArgumentParser) -> None:
    """Add the command, which writes the script for ``parser``."""

    def completion_command(options: argparse.Namespace) -> int:
        from cri_shim.completion.scripts import script  # noqa: PLC0415 - see above

        sys.stdout.write(script(options.shell, parser))
        return 0

    completion = commands.add_parser(
        "completion", help="print a completion script for a shell", description=_COMPLETION
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell that reads the script")
    completion.set_defaults(run=completion_command)
