"""A network of its own for every test: bridge, addresses, cache and namespaces, all gone afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from cri_shim.kernel import LinuxKernel
from cri_shim.network import CniConfig, Network, NetworkError, PodNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cri_shim.network import Helper

PLUGINS = "/usr/lib/cni"
_numbers = itertools.count()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs root and real plugins."""
    for item in items:
        if "integration/network" in str(item.path):
            item.add_marker(pytest.mark.root)


def nat_rules() -> str:
    """The chains and rules of the nat table, as iptables shows them."""
    return subprocess.run(["iptables-save", "-t", "nat"], capture_output=True, text=True, check=True).stdout


def veths(bridge: str) -> list[str]:
    """The interfaces on a bridge."""
    path = f"/sys/class/net/{bridge}/brif"
    return sorted(os.listdir(path)) if os.path.isdir(path) else []


class Lab:
    """One bridge network in a temporary directory, and pods on it."""

    def __init__(self, directory: Path) -> None:
        number = next(_numbers)
        self.directory = directory
        self.kernel = LinuxKernel()
        self.bridge = f"csnet{os.getpid() % 10000}-{number % 100}"
        self.subnet = f"10.213.{(os.getpid() * 7 + number) % 250}"
        self.name = f"net-{self.bridge}"
        self.conf_dir = directory / "net.d"
        self.bin_dir = directory / "bin"
        self.bin_dir.mkdir()
        self.conf_dir.mkdir()
        self.helpers: list[Helper] = []
        self.pods: list[PodNetwork] = []
        self.networks: list[Network] = []

    def conf(self, *more: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """A bridge with addresses from host-local and masquerading, and further plugins after it."""
        bridge = {
            "type": "bridge",
            "bridge": self.bridge,
            "isGateway": True,
            "ipMasq": True,
            "ipam": {
                "type": "host-local",
                "dataDir": str(self.directory / "ipam"),
                "ranges": [[{"subnet": f"{self.subnet}.0/24"}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
        return {"cniVersion": "1.0.0", "name": self.name, "plugins": [bridge, *more], **changes}

    def write(self, conf: dict[str, Any], file: str = "10-test.conflist") -> Path:
        """Put a configuration into place as an installer does, by a rename."""
        self.conf_dir.mkdir(parents=True, exist_ok=True)
        (self.conf_dir / f"{file}.tmp").write_text(json.dumps(conf))
        return (self.conf_dir / f"{file}.tmp").rename(self.conf_dir / file)

    def plugin(self, name: str, script: str) -> None:
        """Add a plugin made for the test."""
        (self.bin_dir / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.bin_dir / name).chmod(0o755)

    def network(self, **changes: Any) -> Network:
        """A Network over this lab's directories."""
        settings: dict[str, Any] = {
            "bin_dir": f"{self.bin_dir}:{PLUGINS}",
            "conf_dir": str(self.conf_dir),
            "cache_dir": str(self.directory / "cache"),
            "timeout": 20.0,
        }
        network = Network(self.kernel, CniConfig(**{**settings, **changes}), on_helper=self.helpers.append)
        self.networks.append(network)
        return network

    def pod(self, **changes: Any) -> PodNetwork:
        """A pod with a fresh network namespace."""
        number = len(self.pods)
        netns = str(self.directory / "netns" / f"pod{number}")
        self.kernel.new_network_namespace(netns)
        id_ = f"{os.getpid():08x}{id(self) & 0xFFFFFFFF:08x}{number:048x}"
        pod = PodNetwork(
            **{
                "sandbox_id": id_,
                "name": f"pod{number}",
                "namespace": "test",
                "uid": f"uid{number}",
                "netns_path": netns,
                **changes,
            }
        )
        self.pods.append(pod)
        return pod

    def reservations(self) -> list[str]:
        """The addresses that host-local has given away."""
        directory = self.directory / "ipam" / self.name
        return sorted(path.name for path in directory.glob("10.*"))

    def cached(self) -> list[str]:
        """The files in the cache of results."""
        directory = self.directory / "cache" / "results"
        return sorted(os.listdir(directory)) if directory.is_dir() else []


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A Lab whose namespaces and bridge are removed afterwards; a rule left in iptables fails the test."""
    if os.geteuid() != 0 or not shutil.which("iptables") or not os.path.exists(f"{PLUGINS}/bridge"):
        pytest.skip("needs root, iptables and the CNI plugins")
    lab = Lab(tmp_path)
    yield lab
    left = [line for line in nat_rules().splitlines() if any(pod.sandbox_id in line for pod in lab.pods)]
    if left:  # a failed test must not disturb the next one

        async def clean() -> None:
            for pod in lab.pods:
                with contextlib.suppress(NetworkError):
                    await lab.network().teardown(pod)

        asyncio.run(clean())
    for pod in lab.pods:
        lab.kernel.remove_network_namespace(pod.netns_path)
    if os.path.exists(f"/sys/class/net/{lab.bridge}"):
        subprocess.run(["ip", "link", "delete", lab.bridge], check=True)
    assert left == []
