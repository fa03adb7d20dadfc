"""The arguments of ``cri-shim config import``; its code is imported only when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

CONTAINERD_PATH = Path("/etc/containerd/config.toml")

_IMPORT = (
    "Translate containerd's configuration, with the files that it imports, into one for cri-shim on standard output. "
    "Standard error says what was not taken over, and why. Nothing is written to any file."
)


def add_import(actions: Any) -> None:
    """Add the command to those of ``cri-shim config``."""

    def command(options: argparse.Namespace) -> int:
        from cri_shim.config.containerd.command import run  # noqa: PLC0415 - see above

        return run(options)

    parser = actions.add_parser(
        "import", help="print containerd's configuration as one for cri-shim", description=_IMPORT
    )
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        default=CONTAINERD_PATH,
        metavar="FILE",
        help=f"containerd's configuration, of version 1 to 4 (default: {CONTAINERD_PATH})",
    )
    parser.add_argument(
        "--root",
        type=Path,
        default=Path("/"),
        metavar="DIR",
        help="the node's file system, below which FILE and what it imports are",
    )
    parser.add_argument("--all", action="store_true", help="print every key, those with their defaults too")
    parser.add_argument("--quiet", "-q", action="store_true", help="on standard error only what makes a difference")
    parser.add_argument(
        "--containerd",
        type=int,
        choices=(1, 2),
        metavar="1|2",
        help="join imported files as containerd 1.x or 2.x does (default: by the version of the file)",
    )
    parser.set_defaults(run=command)
