"""Run ``cri-shim wipe``: take stock, show it, and with ``--yes`` remove it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from containerd_client import Containerd, ContainerdError, DeadlineExceeded, Unavailable
from cri_shim.daemon import logging_setup
from cri_shim.daemon.endpoint import directory_locks, namespace_lock, socket_lock
from cri_shim.daemon.settings import cni_config
from cri_shim.disk.own_directories import make_own_directories
from cri_shim.errors import CriError, FailedPreconditionError
from cri_shim.kernel import LinuxKernel
from cri_shim.kernel.executors import FS
from cri_shim.kernel.executors import run as in_thread
from cri_shim.network import Network
from cri_shim.paths import Paths
from cri_shim.wipe.inventory import Inventory, take_inventory
from cri_shim.wipe.marks import OwnIds
from cri_shim.wipe.node_removal import remove_from_node
from cri_shim.wipe.other_daemons import other_daemon
from cri_shim.wipe.own_paths import remove_own_paths
from cri_shim.wipe.removal import remove_everything
from cri_shim.wipe.running_daemon import holder_of
from cri_shim.wipe.show import document, text
from untrusted import escaped

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from cri_shim.config import Config

_INTERRUPTED = 130
_NO_POD = frozenset({"directories", "images"})
"""Kinds that belong to no pod."""


def run(options: argparse.Namespace, config: Config, settings: Callable[[argparse.Namespace], Config]) -> int:
    """Show or remove; return 0 for success, 1 if something stays or nothing could be done, 130 if interrupted.

    ``settings`` reads the configuration that options name.
    """
    if os.geteuid() != 0:
        return _refused("cri-shim wipe must run as root")
    # What the daemon's own parts log explains what stays.
    logging_setup.configure("warning" if options.yes else "error", config.log_format)
    try:
        holder = holder_of(config)
        if holder:
            return _refused(f"the daemon runs ({holder}): stop it first")
        other = other_daemon(config, settings)
        if other:
            return _refused(f"another daemon may serve the same pods: {other}; stop it, and use its flags here")
        return asyncio.run(_run(options, config))
    except KeyboardInterrupt:
        print("interrupted; run the command again to see what is left", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        raise  # the reader of the output has gone
    except (Unavailable, DeadlineExceeded) as error:
        return _refused(
            f"containerd does not answer at {config.containerd.address}: start it, or use --offline to "
            f"remove only what is on the node itself\n  {escaped(error.detail, 500)}"
        )
    except ContainerdError as error:
        return _refused(f"containerd answers with an error: {escaped(str(error), 500)}")
    except (OSError, CriError) as error:
        return _refused(escaped(str(error), 1000))


async def _run(options: argparse.Namespace, config: Config) -> int:
    paths = Paths(Path(config.root), Path(config.state), config.runtime.netns_mounts_under_state_dir)
    containerd = Containerd(config.containerd.address, namespace=config.containerd.namespace)
    async with containerd:
        client = None if options.offline else containerd
        before = await take_inventory(config, paths, client, OwnIds(), images=options.images)
        if not options.yes or before.empty:
            _show(options, before, None, {})
            return 0
        errors = await _remove(options, config, paths, before)
        after = await take_inventory(config, paths, client, before.ids, images=options.images)
    _show(options, before, after, errors)
    return 0 if after.empty else 1


async def _remove(options: argparse.Namespace, config: Config, paths: Paths, before: Inventory) -> dict[str, str]:
    """Remove what the inventory has, while no daemon can start; return the reasons of what stays."""
    kernel = LinuxKernel()
    make_own_directories(paths)
    with contextlib.ExitStack() as stack:
        stack.enter_context(socket_lock(config.socket_path))
        stack.enter_context(directory_locks(paths))
        stack.enter_context(namespace_lock(config.containerd.address, config.containerd.namespace))
        if options.offline:
            errors = await _remove_offline(config, paths, before)
        else:
            errors = await remove_everything(config, paths, kernel, before.ids, images=options.images)
        left = await take_inventory(config, paths, None, before.ids, images=False)
        if not any(names for kind, names in left.names.items() if kind not in _NO_POD) and not errors:
            errors |= await in_thread(FS, remove_own_paths, config, paths)
    return errors


async def _remove_offline(config: Config, paths: Paths, before: Inventory) -> dict[str, str]:
    """Remove what is on the node; refuse while containers use it, which only containerd can end."""
    if before.names["shims"]:
        raise FailedPreconditionError(
            f"containers still run ({', '.join(before.names['shims'])}): start containerd and leave --offline out"
        )
    network = Network(LinuxKernel(), cni_config(config))
    await network.start()
    try:
        return await remove_from_node(network, LinuxKernel(), config, paths, ids=before.ids)
    finally:
        await network.stop()


def _show(options: argparse.Namespace, before: Inventory, after: Inventory | None, errors: dict[str, str]) -> None:
    if options.output == "json":
        print(document(before, after, errors, offline=options.offline))
        return
    if before.empty:
        print("nothing here belongs to cri-shim")
    elif after is None:
        print("\n".join(text("would be removed with --yes:", before.names)))
    else:
        removed = {kind: [one for one in names if one not in after.names[kind]] for kind, names in before.names.items()}
        print("\n".join(text("removed:", removed)))
    for what, count in before.others.items():
        if count:
            print(f"left alone: {count} {what}")
    if after is not None and not after.empty:
        print("\n".join(text("could not be removed:", after.names)), file=sys.stderr)
    for what, error in sorted(errors.items()):
        print(f"{escaped(what)}: {escaped(error, 1000)}", file=sys.stderr)


def _refused(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 1
