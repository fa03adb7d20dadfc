"""Set up both sides of the comparison and run ``cri-shim compare`` between them: ``make compare``.

Two containerds of one version have directories of their own: one serves the CRI by its plugin, the other has the plugin
off and cri-shim in front. They have the same runc, shim, snapshotter and chain of CNI plugins (each side with its own
bridge and subnet, because two daemons cannot give out addresses of one), and the same images from one registry on
loopback. All other arguments go to ``cri-shim compare``. ``--line`` or the environment variable CONTAINERD_BINARIES
chooses another containerd for all sides, ``--oci`` another OCI runtime, LAB_CGROUP_DRIVER the cgroup driver.
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
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from cri_shim import cli
from cri_shim.bench.arguments import add_compare
from cri_shim.bench.command import announce
from lab import cgroup_driver
from lab.bridge import merged
from lab.cni import PLUGINS
from lab.debian import containerd_versions, oci_runtimes
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


@dataclass(frozen=True, slots=True)
class Plan:
    """What the arguments say: ``chosen`` are those of this command, ``rest`` those of ``cri-shim compare``.

    ``options`` are the latter as that command reads them, ``bridges`` the settings of each bridge by name.
    """

    chosen: argparse.Namespace
    rest: list[str]
    options: argparse.Namespace
    bridges: dict[str, dict[str, Any]]

    @property
    def pulls(self) -> bool:
        """Whether any scenario needs the image that is only pulled, which takes a while to build."""
        return not self.options.scenario or "pull" in ",".join(self.options.scenario).split(",")


def compare(plan: Plan, command: str, oci_runtime: str, notes: Sequence[str]) -> int:
    """Set up, compare, tear down; return the exit code of ``cri-shim compare``.

    ``oci_runtime`` is the program that the labs use, ``notes`` are for the reader of the result.
    """
    with contextlib.ExitStack() as stack:
        directory = Path(mkdtemp(prefix="compare-"))
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        registry = stack.enter_context(Registry.start(directory / "registry"))
        push_images(registry)
        if plan.pulls:
            push(registry.address, PULLED, big_image(plan.chosen.pull_mib))
        plugin = Lab("plugin", directory / "plugin", dict(PLUGIN_SETTINGS), registry=registry, subnet_bits=SUBNET_BITS)
        labs = {
            name: Lab("bridge", directory / name, its_settings, registry=registry, subnet_bits=SUBNET_BITS)
            for name, its_settings in plan.bridges.items()
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
                *(("--pull-image", f"{registry.address}/{PULLED}") if plan.pulls else ()),
                *("--directory", str(directory / "run")),
                *("--oci-runtime", oci_runtime),
                *("--cgroup-parent", cgroup_driver.parent("cri-compare")),
                *(word for note in notes for word in ("--note", note)),
                *("--command-line", command),
                "--announced",
                *plan.rest,
            ]
        )


NOTE = (
    "Containerds of one version: `plugin` serves the CRI by itself, behind the others it has its CRI plugin off. "
    "Same runc, shim, overlayfs snapshotter, images and registry; the same chain of CNI plugins (bridge, portmap, "
    "bandwidth), each side with its own subnet; data of all in one file system. RunPodSandbox of `bridge` answers "
    "when the start of the pause container and the writing of the addresses into the record have begun, and its "
    "StartContainer waits for both to end: the three RPCs together have all of it on both sides. The daemon "
    "of `bridge` runs with what its systemd unit says to Python (no docstrings in memory)."
)


HYBRID = (
    "crun refuses a machine where cgroup v1 and v2 both have controllers. The comparison ran in a mount namespace of "
    "its own, where the v2 hierarchy beside v1 seems to have none."
)


def setting(text: str) -> dict[str, Any]:
    """Read ``KEY=VALUE`` as TOML, for example ``sandbox.infra="pinned"``; raises ValueError for anything else."""
    return tomllib.loads(text)


def planned(arguments: Sequence[str]) -> Plan:
    """Read the arguments, those of ``cri-shim compare`` as that command would, before anything is set up."""
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
    parser.add_argument(
        "--oci", choices=tuple(oci_runtimes.RUNTIMES), help="OCI runtime of all sides (default: the installed runc)"
    )
    chosen, rest = parser.parse_known_args(arguments)
    bridges: dict[str, dict[str, Any]] = {"bridge": {}}
    for each in chosen.bridge:
        bridges["bridge"] = merged(bridges["bridge"], each)
    if chosen.pinned:
        bridges["pinned"] = merged(bridges["bridge"], PINNED)
    inner = argparse.ArgumentParser(prog="cri-shim")
    add_compare(inner.add_subparsers())
    sides = [word for name in ("plugin", *bridges) for word in ("--endpoint", f"{name}=unix:///{name}.sock")]
    options = inner.parse_args(["compare", *sides, "--image", "any", "--pull-image", "any", *rest])
    return Plan(chosen, rest, options, bridges)


def main(arguments: Sequence[str]) -> int:
    """Read the arguments, those of ``cri-shim compare`` without its endpoints, and run it."""
    if os.geteuid() != 0:
        sys.stderr.write("run this as root: containers, mounts and network namespaces need it\n")
        return 1
    plan = planned(arguments)
    notes = [NOTE]
    if plan.chosen.oci == "crun":
        if oci_runtimes.refuses_hybrid_cgroups():
            again = [sys.executable, "-m", "lab.compare", *arguments]
            os.execvp("unshare", oci_runtimes.without_v2_controllers(again))
        notes += [HYBRID] if oci_runtimes.has_hybrid_cgroups() else []
    if announced := announce(plan.options):
        return announced
    if plan.chosen.line:
        os.environ["CONTAINERD_BINARIES"] = str(containerd_versions.binaries(plan.chosen.line))
    oci_runtime = oci_runtimes.use(plan.chosen.oci) if plan.chosen.oci else "runc"
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that SIGTERM cleans up as well
    command = "make compare" + (f' ARGS="{shlex.join(arguments)}"' if arguments else "")
    return compare(plan, command, oci_runtime, notes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
