"""What a verbose Status tells of the daemon itself."""

from __future__ import annotations

import json
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from lab.pod_configs import NODE
from tests.integration.daemon.conftest import run_pod

if TYPE_CHECKING:
    from lab.lab import Lab
    from lab.pods import Pod


async def test_it_shows_what_the_daemon_runs_on(lab: Lab) -> None:
    """The status names Python, grpc and the event loop, because the numbers of a comparison depend on all three."""
    info = (await lab.client.Status(verbose=True)).info
    assert json.loads(info["python"]) == {
        "version": platform.python_version(),
        "grpcio": grpc.__version__,
        "event_loop": "uvloop",
    }


async def test_it_has_the_plugins_names(lab: Lab) -> None:
    """What tools look for in the plugin's answer stands beside our own keys: paths, limits, and the networks."""
    await lab.client.ImageFsInfo()
    info = (await lab.client.Status(verbose=True)).info
    config = json.loads(info["config"])
    assert config["containerdRootDir"] == str(lab.containerd.root)
    assert config["containerdEndpoint"] == config["containerd"]["address"]
    assert config["maxContainerLogLineSize"] == config["runtime"]["max_container_log_line_size"]
    assert config["sandboxImage"] == lab.pause
    assert config["containerd"]["runtimes"]["runc"]["runtimeType"] == "io.containerd.runc.v2"
    cni = json.loads(info["cniconfig"])
    assert cni["PluginConfDir"] == str(lab.network.conf_dir)
    (network,) = cni["Networks"]
    assert network["IFName"] == "eth0"
    assert network["Config"]["Plugins"][0]["Network"]["type"] == "bridge"
    assert json.loads(network["Config"]["Source"])["name"] == network["Config"]["Name"]
    assert info["lastCNILoadStatus"] == info["lastCNILoadStatus.default"] == "OK"


async def test_it_answers_only_when_asked(lab: Lab) -> None:
    """A kubelet asks every few seconds and reads none of it."""
    assert not (await lab.client.Status()).info


async def test_whether_a_network_namespace_is_closed(lab: Lab) -> None:
    """PodSandboxStatus says what the namespace's file is now, not what was done to it."""
    pod = await run_pod(lab)
    assert await closed(lab, pod) is False
    record = (await lab.client.PodSandboxStatus(pod_sandbox_id=pod.id, verbose=True)).info["info"]
    namespaces = json.loads(record)["runtimeSpec"]["linux"]["namespaces"]
    file = Path(next(one["path"] for one in namespaces if one["type"] == "network"))
    await pod.stop()
    assert await closed(lab, pod) is True
    file.touch()
    assert await closed(lab, pod) is True  # a file that holds no namespace
    subprocess.run(["mount", "--bind", "/proc/self/ns/net", file], check=True)
    try:
        assert await closed(lab, pod) is False
    finally:
        subprocess.run(["umount", file], check=True)
        file.unlink()
    assert await closed(lab, pod) is True


async def test_a_pod_on_the_nodes_network_has_none_to_close(lab: Lab) -> None:
    """As the plugin has it."""
    pod = await run_pod(lab, network=NODE)
    assert await closed(lab, pod) is False
    await pod.stop()
    assert await closed(lab, pod) is False


async def closed(lab: Lab, pod: Pod) -> bool:
    """What the verbose status says of the pod's network namespace."""
    answer = await lab.client.PodSandboxStatus(pod_sandbox_id=pod.id, verbose=True)
    is_closed: bool = json.loads(answer.info["info"])["netNamespaceClosed"]
    return is_closed
