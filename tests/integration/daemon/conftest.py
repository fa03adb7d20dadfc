"""One node for these tests: the daemon on a private containerd, with a CNI plugin that can be made to fail."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from lab.bridge import merged
from lab.census import Census, wait_clean
from lab.faults.fault_proxy import FaultProxy
from lab.faults.slow_socket import SlowSocket
from lab.lab import Lab
from lab.pods import Pod

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

# How long SIGTERM waits for requests, in seconds; the default would make one test slow.
GRACE = 6

# The last plugin of the network's chain: does what the file says, and else hands on what the plugins before it gave.
# Its first line names the interpreter itself: what env finds may be a shell script, which forks while it looks for one,
# and the tests that count the plugin's processes would find two.
MOODY_PLUGIN = """import json, os, sys, time
configuration = json.load(sys.stdin)
command = os.environ["CNI_COMMAND"]
if command == "VERSION":
    print(json.dumps({"cniVersion": "1.0.0", "supportedVersions": ["0.4.0", "1.0.0"]}))
    sys.exit(0)
mood = open(configuration["moodFile"]).read().split()
if f"fail-{command}" in mood:
    print(json.dumps({"cniVersion": "1.0.0", "code": 100, "msg": "in a bad mood", "details": "told to fail"}))
    sys.exit(1)
if f"hang-{command}" in mood:
    time.sleep(600)
if command == "ADD":
    print(json.dumps(configuration["prevResult"]))
"""


@dataclass(slots=True)
class Moody:
    """The CNI plugin that can be made to fail or to hang."""

    mood_file: Path

    def be(self, *moods: str) -> None:
        """``fail-ADD``, ``hang-DEL``, …; nothing to be good."""
        self.mood_file.write_text(" ".join(moods))


def moody_settings(directory: Path) -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
    """Install the plugin; the entry for the conflist, and the daemon's settings."""
    bin_dir = directory / "bin"
    bin_dir.mkdir(parents=True)
    program = bin_dir / "moody"
    program.write_text(f"#!{Path(sys.executable).resolve()} -IS\n{MOODY_PLUGIN}")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (directory / "mood").write_text("")
    entry = {"type": "moody", "moodFile": str(directory / "mood")}
    cni = {"bin_dir": "", "bin_dirs": ["/usr/lib/cni", str(bin_dir)], "timeout": "5s"}
    broken = {"runtime_type": "io.containerd.runc.v2", "options": {"BinaryName": str(bin_dir / "no-such-runc")}}
    runtime = {"drain_exec_sync_io_timeout": "1s"}
    settings = {"cni": cni, "containerd": {"runtimes": {"broken": broken}}, "runtime": runtime}
    return (entry,), settings | {"shutdown_grace": f"{GRACE}s"}


@contextlib.asynccontextmanager
async def slow_node(cni_directory: Path, settings: dict[str, Any]) -> AsyncIterator[tuple[Lab, SlowSocket]]:
    """A node of these tests whose daemon reaches containerd by a way that can be made slow."""
    if shutil.which("containerd") is None:
        pytest.skip("containerd is not installed")
    plugins, base = moody_settings(cni_directory)
    lab = Lab("bridge", cni_plugins=plugins)
    path = lab.directory / "slow.sock"
    lab.settings = merged(merged(base, settings), {"containerd": {"address": str(path)}})
    async with SlowSocket(path, str(lab.directory / "containerd" / "c.sock")) as way, lab:
        yield lab, way


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    if shutil.which("containerd") is None:
        pytest.skip("containerd is not installed")
    plugins, settings = moody_settings(tmp_path_factory.mktemp("cni"))
    async with Lab("bridge", settings=settings, cni_plugins=plugins) as lab:
        yield lab


@pytest_asyncio.fixture(loop_scope="session")
async def lab(_node: Lab) -> AsyncIterator[Lab]:
    """The node, empty before and after each test, with both daemons running."""
    yield _node
    await asyncio.to_thread(bring_back, _node)
    await _node.remove_all()


def bring_back(lab: Lab) -> None:
    """Start what a test has left stopped."""
    if not lab.containerd.daemon.alive:
        lab.containerd.start()
    if not lab.bridge.daemon.alive:
        lab.bridge.start()


@pytest.fixture
def moody(_node: Lab) -> Iterator[Moody]:
    """The moody plugin, in a good mood again afterwards."""
    plugin = Moody(Path(_node.cni_plugins[0]["moodFile"]))
    yield plugin
    plugin.be()


@pytest_asyncio.fixture(loop_scope="session")
async def nothing_left(lab: Lab) -> AsyncIterator[Census]:
    """Count before the test, and after it, when it has removed its pods: the node holds what it held."""
    before = await asyncio.to_thread(Census.take, lab)
    yield before
    assert await wait_clean(lab, before) == ""


async def run_pod(lab: Lab, **config: Any) -> Pod:
    """Run a pod with a log directory and the lab's cgroup parent."""
    config.setdefault("cgroup_parent", lab.cgroup_parent)
    config.setdefault("log_directory", lab.logs / f"pod-{len(list(lab.logs.iterdir()))}")
    Path(config["log_directory"]).mkdir(parents=True, exist_ok=True)
    return await Pod.run(lab.client, lab.busybox, **config)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def _proxied_node() -> AsyncIterator[tuple[Lab, FaultProxy]]:
    """A node whose daemon reaches containerd through a proxy; a module that wants it makes it its ``_node``."""
    if shutil.which("containerd") is None:
        pytest.skip("containerd is not installed")
    lab = Lab("bridge")
    path = lab.directory / "proxy.sock"
    # Signals go this way, too, so that they can be cut.
    lab.settings = {"containerd": {"address": str(path), "direct_signals": False}}
    async with FaultProxy(path, str(lab.directory / "containerd" / "c.sock")) as proxy, lab:
        yield lab, proxy


@pytest.fixture
def proxy(_proxied_node: tuple[Lab, FaultProxy]) -> Iterator[FaultProxy]:
    """The way to containerd, without faults again afterwards."""
    yield _proxied_node[1]
    _proxied_node[1].faults.clear()
