"""Pods on a real bridge: addresses that answer, ports that forward, and nothing left afterwards."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from cri_shim.errors import InvalidArgumentError
from cri_shim.network import CniError, NetworkError, NetworkNotReadyError, PortMapping

from .conftest import PLUGINS, nat_rules, veths

if TYPE_CHECKING:
    from .conftest import Lab

PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}}


def serve(lab: Lab, netns: str, port: int, answer: bytes) -> socket.socket:
    """Answer connections inside a namespace; ends when the returned socket is closed."""

    def listen() -> socket.socket:
        listener = socket.create_server(("0.0.0.0", port))
        listener.settimeout(20)
        return listener

    listener = lab.kernel.run_in_network_namespace(netns, listen)

    def loop() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(answer)

    threading.Thread(target=loop, daemon=True).start()
    return listener


def ask(address: str, port: int) -> bytes:
    with socket.create_connection((address, port), timeout=5) as connection:
        return connection.recv(100)


def host_address() -> str:
    """An address of this machine that is not loopback; traffic to it does not leave the machine."""
    out = subprocess.run(
        ["ip", "-4", "-o", "addr", "show", "scope", "global"], capture_output=True, text=True, check=True
    )
    return out.stdout.split("inet ")[1].split("/")[0]


async def test_two_pods_answer_at_their_own_addresses(lab: Lab) -> None:
    """Each pod gets its own address on eth0, answers TCP from the host, and has a working lo."""
    lab.write(lab.conf())
    network = lab.network()
    await network.start()
    try:
        pods = [lab.pod(), lab.pod()]
        results = await asyncio.gather(*(network.setup(pod) for pod in pods))
        addresses = [result.ips[0] for result in results]
        assert len(set(addresses)) == 2
        assert lab.reservations() == sorted(addresses)
        for pod, address, name in zip(pods, addresses, (b"first", b"second"), strict=True):
            listener = serve(lab, pod.netns_path, 8080, name)
            assert await asyncio.to_thread(ask, address, 8080) == name
            lo = await asyncio.to_thread(
                lab.kernel.run_in_network_namespace, pod.netns_path, lambda: ask("127.0.0.1", 8080)
            )
            assert lo == name
            listener.close()
        assert len(veths(lab.bridge)) == 2
        for pod, result in zip(pods, results, strict=True):
            await network.teardown(pod, result.stored)
        assert lab.reservations() == []
        assert veths(lab.bridge) == []
        assert lab.cached() == []
    finally:
        await network.stop()


async def test_stored_result_has_the_shape_that_the_plugin_stores(lab: Lab) -> None:
    """The stored result has go-cni's keys, with lo, eth0 and the host's side, and is plain JSON."""
    lab.write(lab.conf())
    network, pod = lab.network(), lab.pod()
    result = await network.setup(pod)
    stored = json.loads(json.dumps(result.stored))
    assert list(stored) == ["Interfaces", "DNS", "Routes"]
    assert {"lo", "eth0", lab.bridge} < set(stored["Interfaces"])
    assert stored["Interfaces"]["eth0"]["IPConfigs"] == [{"IP": result.ips[0], "Gateway": f"{lab.subnet}.1"}]
    assert stored["Interfaces"]["eth0"]["Sandbox"] == pod.netns_path
    assert stored["Interfaces"]["lo"]["IPConfigs"][0] == {"IP": "127.0.0.1", "Gateway": ""}
    assert stored["Routes"] == [{"dst": "0.0.0.0/0"}]
    await network.teardown(pod, stored)


async def test_host_port_forwards_and_its_rules_go(lab: Lab) -> None:
    """A hostPort leads to the pod through the portmap plugin; after the teardown no rule names the pod."""
    lab.write(lab.conf(PORTMAP))
    network = lab.network()
    pod = lab.pod(port_mappings=(PortMapping("TCP", 80, 28613), PortMapping("tcp", 81, 0)))
    result = await network.setup(pod)
    assert pod.sandbox_id in nat_rules()
    assert " 28613 " in nat_rules()
    listener = serve(lab, pod.netns_path, 80, b"forwarded")
    assert await asyncio.to_thread(ask, host_address(), 28613) == b"forwarded"
    listener.close()
    await network.teardown(pod, result.stored)
    assert pod.sandbox_id not in nat_rules()
    assert "28613" not in nat_rules()


async def test_teardown_twice_and_after_a_restart(lab: Lab) -> None:
    """A second DEL is fine, in the same process and in the next one."""
    lab.write(lab.conf(PORTMAP))
    pod = lab.pod()
    network = lab.network()
    result = await network.setup(pod)
    await network.teardown(pod, result.stored)
    runs = len(lab.helpers)
    await network.teardown(pod, result.stored)
    assert len(lab.helpers) == runs
    await lab.network().teardown(pod, result.stored)
    assert len(lab.helpers) > runs


@pytest.mark.parametrize("state", ["removed", "plain file", "empty path"])
async def test_teardown_without_a_namespace(lab: Lab, state: str) -> None:
    """After a reboot the namespace is gone; the DEL still releases the address and the host port.

    Without masquerading: bridge 1.1.1 asks the namespace for the addresses whose rules it is to remove, so its
    masquerading rule stays when the namespace is gone. A reboot takes that rule away; hence DEL comes before removal.
    """
    conf = lab.conf(PORTMAP)
    conf["plugins"][0]["ipMasq"] = False
    lab.write(conf)
    network, pod = lab.network(), lab.pod(port_mappings=(PortMapping("tcp", 80, 28614),))
    result = await network.setup(pod)
    lab.kernel.remove_network_namespace(pod.netns_path)
    if state == "plain file":
        with open(pod.netns_path, "x"):
            pass
    if state == "empty path":
        pod = replace(pod, netns_path="")
    await lab.network().teardown(pod, result.stored)
    assert lab.reservations() == []
    assert lab.cached() == []
    assert "28614" not in nat_rules()
    assert all(helper.exit_code == 0 for helper in lab.helpers)


async def test_failing_plugin_is_named_and_cleaned_up_after(lab: Lab) -> None:
    """The error carries the plugin's words; a teardown then gives back what the plugins before it had taken."""
    lab.plugin(
        "fake-failing",
        '[ "$CNI_COMMAND" = DEL ] && exit 0; echo \'{"code":7,"msg":"no more tea","details":"cold"}\'; exit 1',
    )
    lab.write(lab.conf({"type": "fake-failing"}))
    network, pod = lab.network(), lab.pod()
    with pytest.raises(CniError, match=r"cni plugin fake-failing failed \(ADD\): no more tea; cold") as caught:
        await network.setup(pod)
    assert caught.value.cni_code == 7
    assert len(lab.reservations()) == 1
    await network.teardown(pod, None)
    assert lab.reservations() == []
    assert veths(lab.bridge) == []
    assert lab.cached() == []
    assert [(helper.name, helper.command, helper.exit_code) for helper in lab.helpers] == [
        ("bridge", "ADD", 0),
        ("fake-failing", "ADD", 1),
        ("fake-failing", "DEL", 0),
        ("bridge", "DEL", 0),
    ]


async def test_setup_again_after_a_half_done_one(lab: Lab) -> None:
    """A DEL makes the same sandbox id and namespace usable again."""
    lab.plugin(
        "fake-once", f'cat >/dev/null; [ "$CNI_COMMAND" = DEL ] || [ -e {lab.directory}/ok ] || exit 1; echo "{{}}"'
    )
    lab.write(lab.conf({"type": "fake-once"}))
    network, pod = lab.network(), lab.pod()
    with pytest.raises(CniError, match="exit code 1 without output"):
        await network.setup(pod)
    (lab.directory / "ok").touch()
    await network.teardown(pod, None)
    # fake-once gives no addresses, so what fails now is the result, not the bridge's "already exists"
    with pytest.raises(NetworkError, match="no IP address for eth0"):
        await network.setup(pod)
    await network.teardown(pod, None)
    assert lab.reservations() == []


async def test_hanging_plugin_is_killed_in_time(lab: Lab) -> None:
    """A plugin that never answers is killed at the timeout, with its children, and reported."""
    lab.plugin("fake-hanging", '[ "$CNI_COMMAND" = DEL ] && exit 0; sleep 61 & sleep 61')
    lab.write(lab.conf({"type": "fake-hanging"}))
    network, pod = lab.network(timeout=1.0), lab.pod()
    started = asyncio.get_running_loop().time()
    with pytest.raises(CniError, match=r"fake-hanging failed \(ADD\): no answer within .* s, killed"):
        await network.setup(pod)
    assert asyncio.get_running_loop().time() - started < 3
    assert lab.helpers[-1].exit_code == -9
    await lab.network().teardown(pod, None)
    assert lab.reservations() == []


async def test_missing_plugin_names_program_and_directories(lab: Lab) -> None:
    """A plugin that is not installed is named together with where it was searched."""
    lab.write(lab.conf({"type": "fake-absent"}))
    network, pod = lab.network(), lab.pod()
    with pytest.raises(CniError, match=f"fake-absent.*no such program in {lab.bin_dir}, {PLUGINS}"):
        await network.setup(pod)
    lab.plugin("fake-absent", "exit 0")  # installed late: the DEL can be made up for
    await network.teardown(pod, None)
    assert lab.reservations() == []


async def test_teardown_with_the_configuration_gone(lab: Lab) -> None:
    """What the cache remembers is enough for a DEL: configuration, arguments and capabilities of the ADD."""
    conf = lab.write(lab.conf(PORTMAP))
    pod = lab.pod(port_mappings=(PortMapping("tcp", 80, 28615),))
    result = await lab.network().setup(pod)
    conf.unlink()
    await lab.network().teardown(pod, result.stored)
    assert lab.reservations() == []
    assert "28615" not in nat_rules()


async def test_teardown_with_nothing_known_is_an_error(lab: Lab) -> None:
    """A pod that had a network, without any record of it, is not silently forgotten."""
    with pytest.raises(NetworkError, match="no configuration in"):
        await lab.network().teardown(lab.pod(), {"Interfaces": {}})
    await lab.network().teardown(lab.pod(), None)


async def test_changed_configuration_does_not_confuse_a_teardown(lab: Lab) -> None:
    """A pod is taken off by the configuration of its ADD, not by today's."""
    lab.write(lab.conf())
    pod = lab.pod()
    result = await lab.network().setup(pod)
    lab.plugin("fake-other", "exit 1")
    lab.write({"cniVersion": "1.0.0", "name": "other", "plugins": [{"type": "fake-other"}]})
    await lab.network().teardown(pod, result.stored)
    assert lab.reservations() == []


async def test_cache_is_the_one_of_libcni(lab: Lab) -> None:
    """The cache file has libcni's name, kind and fields, with the whole configuration in it."""
    conf = lab.conf()
    lab.write(conf)
    network, pod = lab.network(), lab.pod()
    await network.setup(pod)
    [name] = lab.cached()
    assert name == f"{lab.name}-{pod.sandbox_id}-eth0"
    content = json.loads((lab.directory / "cache" / "results" / name).read_text())
    assert content["kind"] == "cniCacheV1"
    assert (content["containerId"], content["networkName"], content["ifName"]) == (pod.sandbox_id, lab.name, "eth0")
    assert content["netns"] == pod.netns_path
    assert json.loads(base64.b64decode(content["config"])) == conf
    assert ["K8S_POD_NAME", "pod0"] in content["cniArgs"]
    assert content["result"]["ips"][0]["gateway"] == f"{lab.subnet}.1"
    await network.teardown(pod, None)


async def test_single_plugin_file_of_version_0_3_1(lab: Lab) -> None:
    """The old form, one plugin in a .conf file, works up and down."""
    old = {**lab.conf()["plugins"][0], "cniVersion": "0.3.1", "name": lab.name}
    lab.write(old, "10-old.conf")
    network, pod = lab.network(), lab.pod()
    result = await network.setup(pod)
    assert result.ips[0].startswith(lab.subnet)
    await network.teardown(pod, result.stored)
    assert lab.reservations() == []


async def test_two_networks_give_two_interfaces(lab: Lab) -> None:
    """With max_conf_num 0 a pod gets eth0 and eth1, and only eth0's address counts as the pod's."""
    lab.write(lab.conf())
    second = lab.conf(name=f"{lab.name}-b")
    second["plugins"][0]["ipMasq"] = False
    second["plugins"][0]["ipam"]["routes"] = []
    second["plugins"][0]["ipam"]["ranges"] = [[{"subnet": f"{lab.subnet}.0/24", "rangeStart": f"{lab.subnet}.200"}]]
    lab.write(second, "20-second.conflist")
    network, pod = lab.network(max_conf_num=0), lab.pod()
    result = await network.setup(pod)
    assert {"eth0", "eth1"} < set(result.stored["Interfaces"])
    assert len(result.ips) == 1
    await network.teardown(pod, result.stored)
    assert veths(lab.bridge) == []
    assert lab.cached() == []


async def test_bandwidth_limit_reaches_the_plugin(lab: Lab) -> None:
    """An annotation becomes a limit on the pod's interface; a wrong one is refused but does not block the DEL."""
    lab.plugin("fake-look", f"cat > {lab.directory}/stdin-$CNI_COMMAND; echo '{{\"ips\":[]}}'")
    lab.write(lab.conf({"type": "fake-look", "capabilities": {"bandwidth": True, "dns": False}}))
    network = lab.network()
    good = lab.pod(annotations={"kubernetes.io/ingress-bandwidth": "1M"})
    with pytest.raises(NetworkError, match="no IP address"):
        await network.setup(good)
    seen = json.loads((lab.directory / "stdin-ADD").read_text())
    assert seen["runtimeConfig"] == {"bandwidth": {"ingressRate": 1_000_000, "ingressBurst": 4294967295}}
    assert seen["prevResult"]["ips"]
    await network.teardown(good, None)
    bad = lab.pod(annotations={"kubernetes.io/egress-bandwidth": "lots"})
    with pytest.raises(InvalidArgumentError, match="egress-bandwidth"):
        await network.setup(bad)
    await network.teardown(bad, None)


async def test_many_pods_at_once(lab: Lab) -> None:
    """Twelve pods at the same time get twelve addresses and leave none behind."""
    lab.write(lab.conf())
    network = lab.network()
    pods = [lab.pod() for _ in range(12)]
    results = await asyncio.gather(*(network.setup(pod) for pod in pods))
    assert len({result.ips[0] for result in results}) == 12
    await asyncio.gather(*(network.teardown(pod, result.stored) for pod, result in zip(pods, results, strict=True)))
    assert lab.reservations() == []
    assert veths(lab.bridge) == []


async def test_no_configuration_is_said(lab: Lab) -> None:
    """Without a configuration a pod is refused with a reason, and the status says where to look."""
    network = lab.network()
    with pytest.raises(NetworkNotReadyError, match=f"no network config found in {lab.conf_dir}"):
        await network.setup(lab.pod())
    assert network.status().reason == "NetworkPluginNotReady"


async def test_a_cancelled_setup_goes_on_to_its_end(lab: Lab) -> None:
    """No plugin is killed in the middle of what it does: the teardown waits for it, and then cleans up."""
    slow = f"touch {lab.directory}/$CNI_COMMAND-begun; sleep 0.5; touch {lab.directory}/$CNI_COMMAND-ended; cat"
    lab.plugin("fake-slow", f'{slow} | sed "s/.*"prevResult"://; s/}}$//"')
    lab.write(lab.conf({"type": "fake-slow"}))
    network, pod = lab.network(), lab.pod()
    task = asyncio.create_task(network.setup(pod))
    for _ in range(300):
        if (lab.directory / "ADD-begun").exists():
            break
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not (lab.directory / "ADD-ended").exists()
    await network.teardown(pod, None)
    assert (lab.directory / "ADD-ended").exists()
    assert [(helper.name, helper.command) for helper in lab.helpers] == [
        ("bridge", "ADD"),
        ("fake-slow", "ADD"),
        ("fake-slow", "DEL"),
        ("bridge", "DEL"),
    ]
    assert lab.reservations() == []


async def test_unwritable_cache_fails_the_setup_and_not_the_teardown(lab: Lab) -> None:
    """An attachment that cannot be recorded is refused, by name, and can be undone all the same."""
    lab.write(lab.conf())
    (lab.directory / "cache").write_text("in the way")
    network, pod = lab.network(), lab.pod()
    with pytest.raises(NetworkError, match=f"cannot record the network of sandbox {pod.sandbox_id}"):
        await network.setup(pod)
    await network.teardown(pod, None)
    assert lab.reservations() == []
    assert veths(lab.bridge) == []
