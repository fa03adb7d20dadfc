"""Measure what the plugins of a pod's network cost: ``python -m lab.measuring.cni_cost``, as root.

Several chains of plugins attach pods to a bridge and detach them, alternately, one program after another as libcni
runs them. The CPU time of a program includes that of everything it has run, such as ``iptables``. The command moves
into a network namespace of its own: the rules of other pods on the machine do not count, and nothing is left behind.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Any, Final, NamedTuple

from cri_shim.kernel import LinuxKernel
from lab.cni import PLUGINS, PodNetwork

_LEGACY: Final = Path("/usr/sbin/xtables-legacy-multi")
_CLONE_NEWNET: Final = 0x40000000
_HOST_PORTS: Final = 20000

LEGACY: Final = "legacy iptables"
"""The chain whose plugins find the other variant of ``iptables``."""

Plugins = list[dict[str, Any]]


class Cost(NamedTuple):
    """What one program took, in milliseconds."""

    cpu: float
    wall: float


Costs = dict[tuple[str, str], list[Cost]]
"""What each program took, by command and plugin."""


@dataclass(slots=True)
class Pod:
    """One namespace, the chain that attaches it, and the last plugin's result once it is attached."""

    id: str
    netns: str
    chain: Plugins
    path: str
    result: dict[str, Any] = field(default_factory=dict)


def chains(configured: Plugins, number: int) -> dict[str, Plugins]:
    """Return the chains to compare by name; ``number`` is the pod's, which its host port is made from."""
    bridge, *others = configured
    plain = {key: value for key, value in bridge.items() if key != "ipMasq"}
    port = {"hostPort": _HOST_PORTS + number, "containerPort": 80, "protocol": "tcp"}
    return {
        "as configured": configured,
        "with tuning": [*configured, {"type": "tuning"}],
        "with firewall": [*configured, {"type": "firewall"}],
        "host port": [
            {**each, "runtimeConfig": {"portMappings": [port]}} if each["type"] == "portmap" else each
            for each in configured
        ],
        LEGACY: configured,
        "bridge only": [bridge],
        "no ipMasq": [plain, *others],
        "bridge only, no ipMasq": [plain],
    }


class Node:
    """A network for pods and their namespaces, below one directory."""

    def __init__(self, directory: Path, plugins: Path) -> None:
        self._directory = directory
        self._plugins = plugins
        self._kernel = LinuxKernel()
        self._numbers = 0
        self.network = PodNetwork.write(directory / "cni", bits=22)
        self._legacy = directory / "legacy"
        self._legacy.mkdir()
        (self._legacy / "iptables").symlink_to(_LEGACY)

    def attach(self, name: str, costs: Costs) -> Pod:
        """Make a namespace and run the ADDs of a chain; note what each took."""
        self._numbers += 1
        pod = Pod(
            id=f"{os.getpid():08x}{self._numbers:056x}",
            netns=str(self._directory / f"netns{self._numbers}"),
            chain=chains(self.network.configuration()["plugins"], self._numbers)[name],
            path=f"{self._legacy}:{os.environ['PATH']}" if name == LEGACY else os.environ["PATH"],
        )
        self._kernel.new_network_namespace(pod.netns)
        for plugin in pod.chain:
            output, cost = self._run(pod, "ADD", plugin)
            pod.result = json.loads(output)
            costs["ADD", plugin["type"]].append(cost)
        return pod

    def detach(self, pod: Pod, costs: Costs) -> None:
        """Run the DELs of its chain, note what each took, and remove the namespace."""
        for plugin in reversed(pod.chain):
            _, cost = self._run(pod, "DEL", plugin)
            costs["DEL", plugin["type"]].append(cost)
        self._kernel.remove_network_namespace(pod.netns)

    def _run(self, pod: Pod, command: str, plugin: dict[str, Any]) -> tuple[bytes, Cost]:
        conf = {key: value for key, value in plugin.items() if key != "capabilities"}
        conf |= {"name": self.network.name, "cniVersion": "1.0.0"}
        if pod.result:
            conf["prevResult"] = pod.result
        variables = {
            "PATH": pod.path,
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": pod.id,
            "CNI_NETNS": pod.netns,
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(self._plugins),
        }
        began, cpu = time.perf_counter(), _children()
        done = subprocess.run(
            [str(self._plugins / plugin["type"])],
            input=json.dumps(conf).encode(),
            env=variables,
            capture_output=True,
            check=False,
        )
        cost = Cost((_children() - cpu) * 1e3, (time.perf_counter() - began) * 1e3)
        if done.returncode:
            raise SystemExit(f"{command} of {plugin['type']} failed: {(done.stdout or done.stderr).decode()}")
        return done.stdout, cost


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def report(costs: dict[str, Costs]) -> str:
    """Return one line for each chain: mean CPU time, and the sums of the median times of ADD and DEL."""
    lines = [f"{'chain':24} {'CPU':>8} {'ADD':>8} {'DEL':>8}  ms"]
    for name, programs in costs.items():
        cpu = sum(mean(cost.cpu for cost in each) for each in programs.values())
        add, delete = (
            sum(median(cost.wall for cost in each) for (command, _), each in programs.items() if command == wanted)
            for wanted in ("ADD", "DEL")
        )
        lines.append(f"{name:24} {cpu:8.1f} {add:8.1f} {delete:8.1f}")
        for (command, plugin), each in programs.items():
            cpu, wall = mean(cost.cpu for cost in each), median(cost.wall for cost in each)
            lines.append(f"    {command} {plugin:16} {cpu:8.1f} {wall:8.1f}")
    return "\n".join(lines) + "\n"


def measure(pods: int, standing: int, plugins: Path) -> dict[str, Costs]:
    """Attach and detach ``pods`` pods by each chain, beside ``standing`` pods that stay."""
    costs: dict[str, Costs] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory(prefix="cni-cost-") as directory:
        node = Node(Path(directory), plugins)
        names = list(chains(node.network.configuration()["plugins"], 0))
        stay: list[Pod] = []
        try:
            stay.extend(node.attach(names[0], defaultdict(list)) for _ in range(standing))
            for _ in range(pods):
                for name in names:
                    node.detach(node.attach(name, costs[name]), costs[name])
        finally:
            for pod in stay:
                node.detach(pod, defaultdict(list))
            node.network.cleanup()
    return costs


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pods", type=int, default=12, help="pods of each chain, in turns (default: 12)")
    parser.add_argument("--standing", type=int, default=0, help="pods that are attached meanwhile (default: 0)")
    parser.add_argument("--plugins", type=Path, default=PLUGINS, help=f"folder of the plugins (default: {PLUGINS})")
    options = parser.parse_args()
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
        parser.error(f"cannot make a network namespace: {os.strerror(ctypes.get_errno()).lower()}")
    sys.stdout.write(report(measure(options.pods, options.standing, options.plugins)))


if __name__ == "__main__":
    main()
