"""Pods without a process: which may be one, how they are made and undone, and their sysctls."""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING, Any

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.config.schema import Config, RuntimeHandler, SandboxSection
from cri_shim.kernel.sysctls import SYSCTLS
from cri_shim.lifecycle.sandbox import pinned_pod
from cri_shim.lifecycle.sandbox.pinned_pod import may_be_pinned
from cri_shim.state.sandboxes import Sandbox
from lab.cri_client import failure
from lab.pod_configs import CONTAINER, NODE, POD, pod_config
from tests.fakes.service import until_idle
from tests.unit.crash_matrix.leftovers import difference, leftovers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cri_shim.service import Service
    from tests.fakes.cni import FakeCni
    from tests.fakes.containerd import FakeContainerd
    from tests.fakes.cri import Client
    from tests.fakes.kernel import RecordingKernel

PINNED = pytest.mark.parametrize("service", [{"sandbox": {"infra": "pinned"}}], indirect=True)
IDS = cri.IDMapping(host_id=100_000, container_id=0, length=65_536)
USERNS = cri.UserNamespace(mode=cri.POD, uids=[IDS], gids=[IDS])


@pytest.fixture
def left(
    service: Service, fake: FakeContainerd, kernel: RecordingKernel, cni: FakeCni, tmp_path: Path
) -> Callable[[], str]:
    """What there is now and was not at first."""
    before = leftovers(service, fake, kernel, cni, tmp_path)
    return lambda: difference(before, leftovers(service, fake, kernel, cni, tmp_path))


@pytest.mark.parametrize(
    ("infra", "handler", "options", "may"),
    [
        ("pinned", RuntimeHandler(), {}, True),
        ("pause", RuntimeHandler(), {}, False),
        ("pinned", RuntimeHandler(), {"pid": POD}, False),
        ("pinned", RuntimeHandler(), {"pid": NODE}, False),
        ("pinned", RuntimeHandler(), {"network": NODE}, False),
        ("pinned", RuntimeHandler(), {"ipc": NODE, "pid": CONTAINER}, True),
        ("pinned", RuntimeHandler(), {"userns": USERNS}, False),
        ("pinned", RuntimeHandler(runtime_type="io.containerd.kata.v2"), {}, False),
        ("pinned", RuntimeHandler(runtime_path="/opt/shim"), {}, False),
    ],
    ids=["yes", "not set", "shared pid", "node's pid", "node's network", "node's ipc", "mapped", "kata", "own shim"],
)
def test_which_pods(infra: Any, handler: RuntimeHandler, options: Any, *, may: bool) -> None:
    """Those in which nothing needs a process, where the setting asks for it."""
    config = Config(sandbox=SandboxSection(infra=infra))
    assert may_be_pinned(config, Sandbox("s", "s", pod_config(**options), 1), handler) is may


@PINNED
@pytest.mark.parametrize("ipc", [POD, NODE])
async def test_its_namespaces(service: Service, kernel: RecordingKernel, client: Client, ipc: Any) -> None:
    """Each has a file; one that is the node's has none. All are gone when the pod is."""
    config = pod_config(ipc=ipc)
    pod_id = (await client.RunPodSandbox(config=config)).pod_sandbox_id
    await until_idle(service)
    sandbox = service.sandboxes.get(pod_id)
    assert sandbox.pinned is not None
    assert bool(sandbox.pinned.ipc) is (ipc == POD)
    assert kernel.namespaces == {sandbox.netns_path, sandbox.pinned.uts, sandbox.pinned.ipc} - {""}
    await client.StopPodSandbox(pod_sandbox_id=pod_id)
    assert service.sandboxes.get(pod_id).exited_at
    await client.RemovePodSandbox(pod_sandbox_id=pod_id)
    assert not kernel.namespaces


@PINNED
async def test_sysctls_of_interfaces(
    service: Service, fake: FakeContainerd, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are set when CNI has made the interfaces, and the others with the namespaces."""
    written: list[Any] = []
    monkeypatch.setattr(pinned_pod, "write_sysctls", written.append)
    sysctls = {"net.ipv4.conf.eth0.forwarding": "1", "net.core.somaxconn": "9"}
    pod_id = (await client.RunPodSandbox(config=pod_config(sysctls=sysctls))).pod_sandbox_id
    await until_idle(service)
    assert [[path.rpartition("/")[2] for path in values] for values in written] == [["forwarding"]]
    spec = json.loads(fake.state["k8s.io"].containers[pod_id].spec.value)
    assert spec["linux"]["sysctl"].items() >= sysctls.items()


@PINNED
@pytest.mark.parametrize("when", ["with the namespaces", "with the interfaces"])
async def test_a_sysctl_that_the_kernel_refuses(
    kernel: RecordingKernel, client: Client, left: Callable[[], str], monkeypatch: pytest.MonkeyPatch, *, when: str
) -> None:
    """That is the fault of the request, which names it; nothing of the pod is left."""
    refused = OSError(errno.EINVAL, "Invalid argument", f"{SYSCTLS}net/ipv4/conf/eth0/forwarding")
    if when == "with the namespaces":
        kernel.fail["new_pod_namespaces"] = refused
    else:

        def refuse(_values: object) -> None:
            raise refused

        monkeypatch.setattr(pinned_pod, "write_sysctls", refuse)
    config = pod_config(sysctls={"net.ipv4.conf.eth0.forwarding": "nonsense"})
    code, text = await failure(client.RunPodSandbox(config=config))
    assert code.name == "INVALID_ARGUMENT"
    assert "net/ipv4/conf/eth0/forwarding of the pod cannot be set: Invalid argument" in text
    assert not left()


@PINNED
async def test_namespaces_that_cannot_be_made(kernel: RecordingKernel, client: Client, left: Callable[[], str]) -> None:
    """An error of the node is not taken for one of a sysctl; nothing of the pod is left."""
    kernel.fail["new_pod_namespaces"] = OSError(errno.ENOSPC, "No space left on device", "/run/x")
    code, text = await failure(client.RunPodSandbox(config=pod_config()))
    assert (code.name, "sysctl" in text) == ("RESOURCE_EXHAUSTED", False)
    assert not left()
