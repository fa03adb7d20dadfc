"""Make a private pod network, a bridge with portmap and bandwidth plugins and its own subnet, and remove all of it.

Bridge name and subnet are derived from the process id and a counter, and are checked against what the kernel has, so
that labs that run at the same time do not collide.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

PLUGINS = Path("/usr/lib/cni")
ADDRESS = re.compile(r"\d+(\.\d+){3}(/\d+)?")
_counter = itertools.count()


def free_network(bits: int = 24) -> tuple[str, str]:
    """Return a bridge name (at most 15 characters) and the first three octets of a subnet unused on this machine."""
    words = f"{run('ip', '-o', 'addr', 'show')} {run('ip', 'route', 'show')}".split()
    taken = [ip_network(word, strict=False) for word in words if ADDRESS.fullmatch(word)]
    while True:
        number = next(_counter)
        name = f"lab{os.getpid() % 10**8}-{number}"[:15]
        prefix = f"10.{64 + os.getpid() % 64}.{(os.getpid() // 64 + number) * 2 ** (24 - bits) % 256}"
        mine = ip_network(f"{prefix}.0/{bits}")
        if not any(mine.overlaps(other) for other in taken) and not Path("/sys/class/net", name).exists():
            return name, prefix


@dataclass(slots=True)
class PodNetwork:
    """One conflist in ``directory``/net.d, with the address reservations and the cache beside it."""

    directory: Path
    bridge: str
    prefix: str
    bits: int = 24

    @classmethod
    def write(cls, directory: Path, *more_plugins: dict[str, Any], bits: int = 24) -> PodNetwork:
        """Choose a free bridge and a subnet with so many bits (16 to 24), and write the configuration."""
        network = cls(directory, *free_network(bits), bits)
        network.conf_dir.mkdir(parents=True)
        network.cache_dir.mkdir()
        network.save(*more_plugins)
        return network

    @property
    def name(self) -> str:
        """The network's name, which the plugins write into iptables comments."""
        return f"net-{self.bridge}"

    @property
    def conf_dir(self) -> Path:
        """The directory of the conflist."""
        return self.directory / "net.d"

    @property
    def cache_dir(self) -> Path:
        """The directory for the daemon's CNI results."""
        return self.directory / "cache"

    @property
    def gateway(self) -> str:
        """The host's address on the bridge."""
        return f"{self.prefix}.1"

    def configuration(self, *more_plugins: dict[str, Any]) -> dict[str, Any]:
        """Return the conflist as a dict."""
        plugins: list[dict[str, Any]] = [
            {
                "type": "bridge",
                "bridge": self.bridge,
                "isGateway": True,
                "ipMasq": True,
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "dataDir": str(self.directory / "ipam"),
                    "ranges": [[{"subnet": f"{self.prefix}.0/{self.bits}"}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ]
        if (PLUGINS / "bandwidth").exists():
            plugins.append({"type": "bandwidth", "capabilities": {"bandwidth": True}})
        return {"cniVersion": "1.0.0", "name": self.name, "plugins": [*plugins, *more_plugins]}

    def save(self, *more_plugins: dict[str, Any]) -> None:
        """Write the conflist (again) in one step, as a network operator's installer would."""
        path = self.conf_dir / "10-lab.conflist"
        path.with_suffix(".tmp").write_text(json.dumps(self.configuration(*more_plugins), indent=2))
        path.with_suffix(".tmp").rename(path)

    def reservations(self) -> list[str]:
        """Return the addresses that host-local has reserved."""
        folder = self.directory / "ipam" / self.name
        names = [entry.name for entry in folder.iterdir()] if folder.exists() else []
        return sorted(name for name in names if name[0].isdigit())

    def veths(self) -> list[str]:
        """Return the host ends of the pods' interfaces."""
        links = Path("/sys/class/net", self.bridge, "brif")
        return sorted(entry.name for entry in links.iterdir()) if links.exists() else []

    def iptables_rules(self) -> list[str]:
        """Return the rules of the nat table that name this network or its subnet."""
        marks = (f'"{self.name}\\"', f'"{self.name}"', f" {self.prefix}.")
        return [line for line in run("iptables-save", "-t", "nat").splitlines() if any(mark in line for mark in marks)]

    def cached_results(self) -> list[str]:
        """Return the results that libcni, or the daemon, keeps for pods of this network."""
        folders = (self.cache_dir / "results", Path("/var/lib/cni/results"), Path("/var/lib/cni/cache/results"))
        return sorted(
            str(entry) for folder in folders if folder.exists() for entry in folder.iterdir() if self.name in entry.name
        )

    def cleanup(self) -> None:
        """Delete everything that the plugins have made outside the directory."""
        self.cleanup_kernel()
        for path in self.cached_results():
            Path(path).unlink(missing_ok=True)

    def cleanup_kernel(self) -> None:
        """Delete the bridge, its interfaces and the rules of the nat table, as a reboot does."""
        for veth in self.veths():
            run("ip", "link", "delete", veth)
        run("ip", "link", "delete", self.bridge)
        rules = self.iptables_rules()
        for rule in rules:
            delete_rule(rule)
        for chain in {word for rule in rules for word in rule.split() if word.startswith(("CNI-DN-", "CNI-SN-"))}:
            run("iptables", "-t", "nat", "-F", chain)
            run("iptables", "-t", "nat", "-X", chain)
        for chain in {rule.split()[1] for rule in rules if rule.split()[1].startswith("CNI-")}:
            if not chain.startswith("CNI-HOSTPORT"):
                run("iptables", "-t", "nat", "-F", chain)
                run("iptables", "-t", "nat", "-X", chain)


def delete_rule(rule: str) -> None:
    """Delete one ``-A CHAIN …`` line of iptables-save."""
    restore = f"*nat\n-D{rule.removeprefix('-A')}\nCOMMIT\n"
    subprocess.run(["iptables-restore", "--noflush"], input=restore, text=True, capture_output=True, check=False)


def run(*command: str) -> str:
    """Return the output of a command, also of one that fails."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
