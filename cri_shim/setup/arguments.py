"""The arguments of ``cri-shim setup``; its code is imported only when the command runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

_SETUP = (
    "Set this node up for cri-shim: containerd without its own CRI plugin, the daemon's configuration and service, "
    "crictl and the kubelet. Every change is shown first and recorded; --undo takes all of them back."
)


def add_setup(commands: Any) -> None:
    """Add the command."""

    def setup_command(options: argparse.Namespace) -> int:
        from cri_shim.setup import command  # noqa: PLC0415 - see above

        return command.run(options)

    setup = commands.add_parser("setup", help="set this node up for cri-shim, or undo that", description=_SETUP)
    setup.add_argument("--dry-run", action="store_true", help="show what would be changed, and change nothing")
    setup.add_argument("--undo", action="store_true", help="take back what earlier runs have changed")
    setup.add_argument("--force", action="store_true", help="also replace or remove files that others changed since")
    setup.add_argument("--cni-sample", action="store_true", help="make a sample pod network if there is none")
    setup.add_argument("--pods-only", action="store_true", help="also disable what only other users of containerd need")
    kubelet = setup.add_mutually_exclusive_group()
    kubelet.add_argument("--kubelet", action="store_true", help="configure the kubelet even if it is not installed")
    kubelet.add_argument("--no-kubelet", action="store_true", help="leave the kubelet as it is")
    setup.add_argument("--no-start", action="store_true", help="change files only: start and restart nothing")
    setup.add_argument("--root", type=Path, default=Path("/"), metavar="DIR", help="set up the file system below DIR")
    setup.add_argument("-y", "--yes", action="store_true", help="do not ask")
    setup.set_defaults(run=setup_command)
