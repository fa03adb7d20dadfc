"""Set up both sides of the comparison and run ``cri-shim compare`` between them: ``make compare``.

Two containerds of one version have directories of their own: one serves the CRI by its plugin, the other has the plugin
off and cri-shim in front. They have the same runc, shim, snapshotter and chain of CNI plugins (each side with its own
bridge and subnet, because two daemons cannot give out addresses of one), and the same images from one registry on
loopback. All other arguments go to ``cri-shim compare``. ``--line`` or the environment variable CONTAINERD_BINARIES
chooses another containerd for all sides.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shlex
import shutil
import signal
import sys
import tomllib
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from cri_shim import cli
from cri_shim.bench.arguments import add_compare
from cri_shim.bench.command import announce
from lab import containerd_versions
from lab.bridge import merged
from lab.cni import PLUGINS
from lab.images import Image, Tree, build_image, push
from lab.lab import Lab, push_images
from lab.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Sequence

MIB = 1 << 20
PULLED = "big:1"
LAYERS = 4
WORDS = b"the quick brown fox jumps over the lazy dog and comes back for more of the same\n"

# Room for a thousand pods, which is about the number of ports of a Linux bridge.
SUBNET_BITS = 22
# What the bridge, like containerd 2, does by default and the plugin of 1.6 and 1.7 does not.
PLUGIN_SETTINGS = {"enable_unprivileged_ports": True, "enable_unprivileged_icmp": True}


def big_image(mebibytes: int, layers: int = LAYERS) -> Image:
    """Build an image of about so many MiB as stored: three quarters noise, a quarter text, which unpacks to more."""
    noise = random.Random(7)
    built = []
    for number in range(layers):
        tree = Tree().directory(f"d{number}")
        for part in range(max(1, mebibytes // layers // 4)):
            tree.file(f"d{number}/noise{part}", noise.randbytes(4 * MIB))
            tree.file(f"d{number}/text{part}", WORDS * (MIB * 3 // 2 // len(WORDS)))
        built.append(tree.layer())
    return build_image(*built, config={"Cmd": ["sh"]})


PINNED = {"sandbox": {"infra": "pinned"}}


def compare(
    arguments: Sequence[str],
    pull_mebibytes: int = 128,
    command: str = "",
    settings: dict[str, Any] | None = None,
    *,
    pinned: bool = False,
) -> int:
    """Set up, compare, tear down; return the exit code of ``cri-shim compare``.

    ``settings`` are the bridge's. ``pinned`` adds a third side, the bridge with pods that have no pause process.
    """
    bridges = {"bridge": settings or {}}
    if pinned:
        bridges["pinned"] = merged(settings or {}, PINNED)
    if announced := _announce(arguments, ("plugin", *bridges)):
        return announced
    with contextlib.ExitStack() as stack:
        directory = Path(mkdtemp(prefix="compare-"))
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        registry = stack.enter_context(Registry.start(directory / "registry"))
        push_images(registry)
        push(registry.address, PULLED, big_image(pull_mebibytes))
        plugin = Lab("plugin", directory / "plugin", dict(PLUGIN_SETTINGS), registry=registry, subnet_bits=SUBNET_BITS)
        labs = {
            name: Lab("bridge", directory / name, its_settings, registry=registry, subnet_bits=SUBNET_BITS)
            for name, its_settings in bridges.items()
        }
        for lab in (plugin, *labs.values()):
            stack.callback(lab.tear_down)
            lab.prepare()
            lab.serve()
        return cli.main(
            [
                "compare",
                *("--endpoint", f"plugin={plugin.endpoint}"),
                *(word for name, lab in labs.items() for word in ("--endpoint", f"{name}={lab.endpoint}")),
                *(word for name, lab in labs.items() for word in ("--behind", f"{name}={lab.containerd.endpoint}")),
                *("--image", plugin.busybox),
                *("--cni-conf-dir", str(plugin.network.conf_dir)),
                *("--cni-bin-dir", str(PLUGINS)),
                *("--pull-image", f"{registry.address}/{PULLED}"),
                *("--directory", str(directory / "run")),
                *("--note", NOTE),
                *(("--command-line", command) if command else ()),
                "--announced",
                *arguments,
            ]
        )


def _announce(arguments: Sequence[str], names: Sequence[str]) -> int:
    """Check the arguments and print what to expect, as ``cri-shim compare`` would, before anything is set up."""
    parser = argparse.ArgumentParser(prog="cri-shim")
    add_compare(parser.add_subparsers())
    sides = [word for name in names for word in ("--endpoint", f"{name}=unix:///{name}.sock")]
    options = parser.parse_args(["compare", *sides, "--image", "any", "--pull-image", "any", *arguments])
    return announce(options)


NOTE = (
    "Containerds of one version: `plugin` serves the CRI by itself, behind the others it has its CRI plugin off. "
    "Same runc, shim, overlayfs snapshotter, images and registry; the same chain of CNI plugins (bridge, portmap, "
    "bandwidth), each side with its own subnet; data of all in one file system. RunPodSandbox of `bridge` answers "
    "when the start of the pause container and the writing of the addresses into the record have begun, and its "
    "StartContainer waits for both to end: the three RPCs together have all of it on both sides. The daemon "
    "of `bridge` runs with what its systemd unit says to Python (no docstrings in memory)."
)


def setting(text: str) -> dict[str, Any]:
    """Read ``KEY=VALUE`` as TOML, for example ``sandbox.infra="pinned"``; raises ValueError for anything else."""
    return tomllib.loads(text)


def main(arguments: Sequence[str]) -> int:
    """Read the arguments, those of ``cri-shim compare`` without its endpoints, and run it."""
    if os.geteuid() != 0:
        sys.stderr.write("run this as root: containers, mounts and network namespaces need it\n")
        return 1
    parser = argparse.ArgumentParser(
        prog="python -m lab.compare",
        description="Set up the plugin and the bridge, and compare them. All other arguments go to `cri-shim compare`.",
    )
    parser.add_argument(
        "--pull-mib", type=int, default=128, metavar="N", help="size of the image of `pull` (default: 128)"
    )
    parser.add_argument(
        "--bridge",
        type=setting,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of cri-shim, as in TOML",
    )
    parser.add_argument(
        "--pinned", action="store_true", help="a third side: the bridge with pods that have no pause process"
    )
    parser.add_argument(
        "--line", choices=tuple(containerd_versions.LINES), help="containerd of this line (default: the installed one)"
    )
    chosen, others = parser.parse_known_args(arguments)
    if chosen.line:
        os.environ["CONTAINERD_BINARIES"] = str(containerd_versions.binaries(chosen.line))
    settings: dict[str, Any] = {}
    for each in chosen.bridge:
        settings = merged(settings, each)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that SIGTERM cleans up as well
    command = "make compare" + (f' ARGS="{shlex.join(arguments)}"' if arguments else "")
    return compare(others, chosen.pull_mib, command, settings, pinned=chosen.pinned)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
