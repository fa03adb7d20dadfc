"""The arguments of ``cri-shim wipe``; its code is imported only when the command runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from cri_shim.config import Config

_WIPE = (
    "Show what this daemon has on the node and in containerd: pods, containers, networks, mounts, directories. With "
    "--yes, end and remove all of it. The daemon must not run. Images stay, and so does all that other clients made."
)


def add_wipe(
    commands: Any,
    add_settings: Callable[[argparse.ArgumentParser], None],
    settings: Callable[[argparse.Namespace], Config],
) -> None:
    """Add the command; ``settings`` reads the configuration that the options name."""

    def wipe_command(options: argparse.Namespace) -> int:
        from cri_shim.wipe import command  # noqa: PLC0415 - see above

        return command.run(options, settings(options), settings)

    wipe = commands.add_parser("wipe", help="remove all pods and files of the daemon", description=_WIPE)
    add_settings(wipe)
    wipe.add_argument("-y", "--yes", action="store_true", help="remove; without it, only show what would be removed")
    wipe.add_argument("--offline", action="store_true", help="do not ask containerd: only what is on the node itself")
    wipe.add_argument("--images", action="store_true", help="also remove the images that were pulled for pods")
    wipe.add_argument("-o", "--output", choices=("text", "json"), default="text", help="form of the output")
    wipe.set_defaults(run=wipe_command)
