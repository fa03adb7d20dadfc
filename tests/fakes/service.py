"""A whole service without root: the real wiring, in front of a fake containerd, kernel and network.

Everything that the service makes lies below the test's own directory. What the real node would tell (cgroups, security
modules, features of the runtime) is a constant here, so that a test sees the same node wherever it runs.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from msgspec import structs

from cri_shim.concurrency.supervisor import Supervisor
from cri_shim.config.read import Reader
from cri_shim.config.schema import Config
from cri_shim.daemon.wiring import wire
from cri_shim.disk.own_directories import make_own_directories
from cri_shim.kernel.cgroups import Hierarchies
from cri_shim.ledger.trace_policy import TracePolicy
from cri_shim.lifecycle import orphaned_cgroups
from cri_shim.lifecycle.sandbox import pod_files
from cri_shim.network import orphaned_programs, watcher
from cri_shim.node.handler_features import HandlerFeatures
from cri_shim.oci.node_facts import NodeFacts
from cri_shim.paths import Paths
from cri_shim.sync import orphaned_shims
from cri_shim.tuning.cgroup_moves import CgroupMoves
from tests.fakes.cgroups import FakeCgroups
from tests.fakes.cni import FakeCni

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from pathlib import Path

    from cri_shim.kernel import Kernel
    from cri_shim.service import Service
    from tests.fakes.containerd import FakeContainerd

PAUSE = "registry.k8s.io/pause:3.10"
"""The sandbox image, which every fake containerd is given."""

READY_SECONDS = 20.0
"""How long the first reading of containerd may take on a busy machine."""

NODE = NodeFacts(
    cgroup_v2=False,
    controllers=frozenset({"cpu", "cpuset", "memory", "pids"}),
    hugetlb=False,
    swap=False,
    capabilities=("CAP_CHOWN", "CAP_NET_BIND_SERVICE", "CAP_SYS_ADMIN"),
    may_lower_oom_score=True,
    oom_score_adj=0,
    seccomp=True,
    apparmor=False,
    selinux=False,
    in_user_namespace=False,
    kernel=(6, 1),
    machine="x86_64",
    hostname="node",
    hugepage_sizes=(),
)
"""A node with cgroup v1 and without security modules."""

FEATURES = HandlerFeatures(recursive_read_only_mounts=True, why_no_user_namespaces="")
"""What the runtime of every handler can do."""


@asynccontextmanager
async def make_service(
    fake: FakeContainerd,
    kernel: Kernel,
    tmp_path: Path,
    *,
    node: NodeFacts = NODE,
    ready: bool = True,
    **settings: Any,
) -> AsyncIterator[Service]:
    """Build a service as the daemon does, with its event stream and its recovery, and stop it at the end.

    ``settings`` are sections of the configuration, in the words of its file: ``sandbox={"infra": "pinned"}``. The
    network is ``FakeCni(tmp_path / "cni")``, which a test may make for itself to read or change what its plugin does.
    Likewise what processes use is in ``FakeCgroups(tmp_path / "cgroups")``.
    With ``ready=False`` the first reading of containerd is not waited for.
    """
    config = make_config(fake, tmp_path, settings)
    paths = Paths(tmp_path / "daemon/root", tmp_path / "daemon/state", config.runtime.netns_mounts_under_state_dir)
    make_own_directories(paths)
    if config.image.sandbox_image not in fake.state[config.containerd.namespace].images:
        fake.add_image(config.image.sandbox_image, config={"Entrypoint": ["/pause"]})
    supervisor = Supervisor()
    features = dict.fromkeys(config.containerd.runtimes, FEATURES)
    async with AsyncExitStack() as stack:
        stack.enter_context(_no_files_of_the_node(tmp_path))
        wired = wire(config, paths, supervisor, TracePolicy(), kernel=kernel, node=node, features=features)
        service = structs.replace(wired.service, cgroup_moves=CgroupMoves(lambda: None))
        stack.push_async_callback(service.containerd.close)
        stack.push_async_callback(service.puller.close)
        wired.pump.start()
        stack.callback(wired.pump.stop)
        service.streaming.bind()
        stack.push_async_callback(service.streaming.stop)
        await service.network.start()
        stack.push_async_callback(service.network.stop)
        stack.push_async_callback(supervisor.stop)
        wired.monitor.start()
        stack.push_async_callback(service.operations.drain, 5.0, 5.0)
        if ready:
            await until_ready(service)
        yield service


def make_config(fake: FakeContainerd, tmp_path: Path, settings: Mapping[str, Mapping[str, Any]]) -> Config:
    """Return a configuration with all its paths below ``tmp_path``, changed by ``settings``.

    Raises AssertionError naming the settings that the configuration does not have.
    """
    cni = FakeCni(tmp_path / "cni")
    document: dict[str, dict[str, Any]] = {
        "containerd": {"address": fake.address},
        "cni": {"bin_dirs": [str(cni.bin_dir)], "conf_dir": str(cni.conf_dir), "cache_dir": str(cni.cache_dir)},
        "image": {
            "sandbox_image": PAUSE,
            "registry": {"config_path": str(tmp_path / "certs.d")},
            "verifier": {"bin_dir": str(tmp_path / "verifiers")},
        },
        "runtime": {
            "netns_mounts_under_state_dir": True,
            "cdi_spec_dirs": [str(tmp_path / "cdi")],
            "starts_at_once": 100,
        },
    }
    for section, values in settings.items():
        document[section] = {**document.get(section, {}), **values}
    directories = {"root": str(tmp_path / "daemon/root"), "state": str(tmp_path / "daemon/state")}
    reader = Reader("settings", {})
    config = reader.section(Config, {**directories, **document}, ())
    assert not reader.problems, reader.problems
    return config


async def until_ready(service: Service) -> None:
    """Return when the service has read containerd and answers requests."""
    await _until(lambda: service.readiness.ready, "containerd has not been read")


async def until_idle(service: Service) -> None:
    """Return when no operation is in flight: what a request has left to the background is done."""
    await _until(lambda: not len(service.operations), "an operation is still in flight")


async def _until(condition: Callable[[], bool], otherwise: str) -> None:
    """Wait by the machine's clock, because the clock of a test's event loop may run faster."""
    deadline = time.monotonic() + READY_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{otherwise} within {READY_SECONDS:g} s"
        await asyncio.sleep(0.005)


@contextmanager
def _no_files_of_the_node(tmp_path: Path) -> Iterator[None]:
    """Keep the service from the few places of the node that no setting moves, and from the processes of the node."""
    with ExitStack() as stack:
        for name in ("hosts", "resolv.conf"):
            (tmp_path / name).touch()
        (tmp_path / "proc").mkdir(exist_ok=True)
        stack.enter_context(patch.object(pod_files, "NODE_HOSTS", tmp_path / "hosts"))
        stack.enter_context(patch.object(pod_files, "NODE_RESOLV_CONF", tmp_path / "resolv.conf"))
        stack.enter_context(patch.object(orphaned_shims, "_SHIM_SOCKETS", tmp_path / "shims"))
        stack.enter_context(patch.object(orphaned_shims, "all_pids", return_value=[]))
        stack.enter_context(patch.object(orphaned_programs, "_PROC", tmp_path / "proc"))
        cgroups = FakeCgroups(tmp_path / "cgroups")
        stack.enter_context(patch.object(Hierarchies, "read", cgroups.hierarchies))
        stack.enter_context(patch.object(orphaned_cgroups, "read_mountinfo", cgroups.mounts))
        # To close an inotify handle, the kernel waits for about ten milliseconds. Without one the network is polled.
        stack.enter_context(patch.object(watcher, "Inotify", side_effect=OSError("no inotify in this test")))
        yield
