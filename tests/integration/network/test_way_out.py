"""Pods whose ADD cannot be undone as it was made: each can be taken off its network all the same, also after a restart.

"Restart" is a new Network over the same directories, which knows what is on the disk and nothing else.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import structlog

from cri_shim.network import CniError, NetworkError, PortMapping

from .conftest import PLUGINS, nat_rules, veths

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Lab

PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}}


def bad_subnet(conf: dict[str, Any]) -> dict[str, Any]:
    """The same network, with a range that host-local refuses in every command."""
    conf["plugins"][0]["ipam"]["ranges"] = [[{"subnet": "10.300.0.0/24"}]]
    return conf


def misspelt(conf: dict[str, Any]) -> dict[str, Any]:
    """The same network, with a first plugin that there is not."""
    conf["plugins"][0]["type"] = "brigde"
    return conf


def nothing_left(lab: Lab) -> bool:
    """Whether neither address, interface, rule nor cached attachment is left of the pods."""
    rules = [line for line in nat_rules().splitlines() if any(pod.sandbox_id in line for pod in lab.pods)]
    return (lab.reservations(), veths(lab.bridge), rules, lab.cached()) == ([], [], [], [])


@pytest.mark.parametrize("restart", [False, True])
async def test_a_program_that_is_not_installed_yet(lab: Lab, *, restart: bool) -> None:
    """The plugins before it are undone at once, although the configuration still names it."""
    lab.write(lab.conf(PORTMAP, {"type": "not-yet-installed"}))
    network, pod = lab.network(), lab.pod(port_mappings=(PortMapping("tcp", 80, 28617),))
    with pytest.raises(CniError, match=r"not-yet-installed.*no such program"):
        await network.setup(pod)
    assert not nothing_left(lab)
    await (lab.network() if restart else network).teardown(pod, None)
    assert nothing_left(lab)


@pytest.mark.parametrize("restart", [False, True])
async def test_a_first_plugin_that_is_misspelt(lab: Lab, *, restart: bool) -> None:
    """Nothing ran, so nothing is owed."""
    lab.write(misspelt(lab.conf(PORTMAP)))
    network, pod = lab.network(), lab.pod()
    with pytest.raises(CniError, match="brigde"):
        await network.setup(pod)
    await (lab.network() if restart else network).teardown(pod, None)
    assert nothing_left(lab)


@pytest.mark.parametrize("restart", [False, True])
async def test_a_subnet_that_is_mended(lab: Lab, *, restart: bool) -> None:
    """The DEL fails as the ADD did, until the configuration is mended; then today's is used."""
    lab.write(bad_subnet(lab.conf()))
    network, pod = lab.network(), lab.pod()
    with pytest.raises(CniError, match="bridge"):
        await network.setup(pod)
    with pytest.raises(CniError, match=r"bridge failed \(DEL\)"):
        await network.teardown(pod, None)
    lab.write(lab.conf())
    await (lab.network() if restart else network).teardown(pod, None)
    assert nothing_left(lab)


def programs(lab: Lab, *names: str) -> None:
    """Copies of the real programs that a test can take away."""
    for name in names:
        shutil.copy(f"{PLUGINS}/{name}", lab.bin_dir / name)


async def test_a_node_whose_network_was_exchanged(lab: Lab) -> None:
    """Old configuration and program are gone, others are there: the address is freed, and the log names the rest."""
    programs(lab, "bridge", "host-local")
    conf = lab.conf()
    conf["plugins"][0]["ipMasq"] = False
    old = lab.write(conf)
    pod = lab.pod()
    result = await lab.network(bin_dir=str(lab.bin_dir)).setup(pod)
    (lab.bin_dir / "bridge").unlink()
    with pytest.raises(CniError, match="no such program"):
        await lab.network(bin_dir=str(lab.bin_dir)).teardown(pod, result.stored)
    old.unlink()
    lab.plugin("other-network", "exit 0")
    lab.write({"cniVersion": "1.0.0", "name": "other", "plugins": [{"type": "other-network"}]}, "20-other.conflist")
    with structlog.testing.capture_logs() as lines:
        await lab.network(bin_dir=str(lab.bin_dir)).teardown(pod, result.stored)
    [event] = [line for line in lines if line["event"] == "network.left_behind"]
    assert (event["plugin"], event["interface"], event["network"]) == ("bridge", "eth0", lab.name)
    assert event["addresses"][0].startswith(result.ips[0])
    lab.kernel.remove_network_namespace(pod.netns_path)
    assert lab.reservations() == []
    assert lab.cached() == []


async def test_a_node_whose_address_plugin_was_exchanged(lab: Lab) -> None:
    """The program that gave the addresses is gone, that of the interface is not: the pod can go, and its interface."""
    address = f"{lab.subnet}.9/24"
    lab.plugin("old-ipam", f'echo \'{{"cniVersion":"1.0.0","ips":[{{"address":"{address}"}}]}}\'')
    conf = lab.conf(PORTMAP)
    conf["plugins"][0] |= {"ipMasq": False, "ipam": {"type": "old-ipam"}}
    old = lab.write(conf)
    pod = lab.pod(port_mappings=(PortMapping("tcp", 80, 28621),))
    result = await lab.network().setup(pod)
    (lab.bin_dir / "old-ipam").unlink()
    with pytest.raises(CniError, match='failed to find plugin "old-ipam"'):
        await lab.network().teardown(pod, result.stored)
    old.unlink()
    lab.write(lab.conf(name="other"), "20-other.conflist")
    with structlog.testing.capture_logs() as lines:
        await lab.network().teardown(pod, result.stored)
    assert [line["addresses"] for line in lines if line["event"] == "network.left_behind"] == [[address]]
    assert nothing_left(lab)


async def test_configuration_and_programs_are_gone(lab: Lab) -> None:
    """After an ADD that never succeeded the pod can go; after one that did, a configuration may come back."""
    lab.plugin("mine", '[ -e ${0%/*}/good ] || exit 1; echo \'{"ips":[{"address":"10.1.1.1/24"}]}\'')
    conf = lab.write({"cniVersion": "1.0.0", "name": "mine", "plugins": [{"type": "mine"}]})
    never, once = lab.pod(), lab.pod()
    network = lab.network(bin_dir=str(lab.bin_dir))
    with pytest.raises(CniError):
        await network.setup(never)
    (lab.bin_dir / "good").touch()
    result = await network.setup(once)
    conf.unlink()
    (lab.bin_dir / "mine").unlink()
    await lab.network(bin_dir=str(lab.bin_dir)).teardown(never, None)
    with pytest.raises(NetworkError, match="no such program"):
        await lab.network(bin_dir=str(lab.bin_dir)).teardown(once, result.stored)
    assert len(lab.cached()) == 1


@pytest.mark.parametrize(
    "printed",
    [
        '{"cniVersion":"1.0.0","ips":[{"address":"999.1.1.1/99"}]}',
        '{"cniVersion":"1.0.0","ips":"10.1.1.1/24"}',
        '{"cniVersion":"1.0.0","interfaces":[{"name":7}]}',
        '{"cniVersion":"1.0.0","routes":[{"dst":"nowhere"}]}',
        '{"cniVersion":"7.0.0"}',
        "[" * 2000,
        "no JSON",
    ],
    ids=["address", "list", "name", "route", "version", "deep", "text"],
)
async def test_a_result_that_is_none(lab: Lab, printed: str) -> None:
    """It is neither handed on nor kept, so that the real plugins of the chain can be undone."""
    lab.plugin("fake-odd", f"[ $CNI_COMMAND = DEL ] && exit 0; cat <<'END'\n{printed}\nEND")
    lab.write(lab.conf({"type": "fake-odd"}, PORTMAP))
    network, pod = lab.network(), lab.pod(port_mappings=(PortMapping("tcp", 80, 28618),))
    with pytest.raises(CniError, match=r"fake-odd failed \(ADD\): its result is not valid"):
        await network.setup(pod)
    await lab.network().teardown(pod, None)
    assert nothing_left(lab)


async def test_a_host_port_without_a_container_port(lab: Lab) -> None:
    """portmap refuses it at ADD and at DEL; the pod can go, with its address."""
    lab.write(lab.conf(PORTMAP))
    network, pod = lab.network(), lab.pod(port_mappings=(PortMapping("tcp", 0, 28619),))
    with pytest.raises(CniError, match="portmap"):
        await network.setup(pod)
    await lab.network().teardown(pod, None)
    assert nothing_left(lab)


DAMAGES = ("empty", "cut", "other kind", "rubbish result", "fifo", "no config", "old kind")


@pytest.mark.parametrize("damage", [*DAMAGES, "capabilities", "other config"])
async def test_a_cached_attachment_that_is_damaged(lab: Lab, damage: str) -> None:
    """Today's configuration takes the place of what cannot be read, as it does in containerd's own plugin."""
    lab.write(lab.conf(PORTMAP))
    pod = lab.pod(port_mappings=(PortMapping("tcp", 80, 28620),))
    result = await lab.network().setup(pod)
    [name] = lab.cached()
    spoil(lab.directory / "cache" / "results" / name, damage)
    await lab.network().teardown(pod, result.stored)
    assert nothing_left(lab)


def spoil(path: Path, damage: str) -> None:
    """Do to a cached attachment what the name says."""
    content = json.loads(path.read_text())
    path.unlink()
    if damage == "fifo":
        os.mkfifo(path)
        return
    if damage == "rubbish result":
        content["result"] = {"cniVersion": "1.0.0", "ips": [{"address": "999.1.1.1/99"}]}
    gone = {"cniVersion": "1.0.0", "name": content["networkName"], "plugins": [{"type": "not-there-any-more"}]}
    texts = {
        "empty": "",
        "cut": json.dumps(content)[:200],
        "other kind": json.dumps({**content, "kind": "cniCacheV9"}),
        "rubbish result": json.dumps(content),
        "no config": json.dumps({**content, "config": "%%%"}),
        "old kind": json.dumps(content["result"]),
        "capabilities": json.dumps({**content, "capabilityArgs": {"portMappings": "x", "bandwidth": [1]}}),
        "other config": json.dumps({**content, "config": base64.b64encode(json.dumps(gone).encode()).decode()}),
    }
    path.write_text(texts[damage])


async def test_one_network_of_two_that_fails(lab: Lab) -> None:
    """The other one is undone and forgotten, and is not asked again."""
    lab.write(lab.conf())
    lab.plugin("moody", f"[ $CNI_COMMAND = DEL ] && [ -e {lab.directory}/bad ] && exit 1; echo '{{\"ips\":[]}}'")
    lab.write({"cniVersion": "1.0.0", "name": "second", "plugins": [{"type": "moody"}]}, "20-second.conflist")
    network, pod = lab.network(max_conf_num=0), lab.pod()
    result = await network.setup(pod)
    (lab.directory / "bad").touch()
    with pytest.raises(CniError, match="moody"):
        await network.teardown(pod, result.stored)
    assert lab.reservations() == []
    assert lab.cached() == [f"second-{pod.sandbox_id}-eth1"]
    (lab.directory / "bad").unlink()
    await network.teardown(pod, result.stored)
    assert nothing_left(lab)


def second_network(lab: Lab) -> str:
    """Configure one more, with addresses of its own; returns its name."""
    conf = lab.conf(name=f"{lab.name}-2")
    conf["plugins"] = [
        {"type": "ptp", "ipam": {**conf["plugins"][0]["ipam"], "ranges": [[{"subnet": "10.254.9.0/24"}]]}}
    ]
    lab.write(conf, "20-second.conflist")
    return f"{lab.name}-2"


def addresses(lab: Lab, network: str) -> list[str]:
    """What a network has reserved."""
    return [file.name for file in (lab.directory / "ipam" / network).iterdir() if file.name[0].isdigit()]


async def test_a_cache_that_fills_up_between_two_networks(lab: Lab) -> None:
    """Both networks are undone, although only one of them could be recorded, and the error names the full place."""
    lab.write(lab.conf())
    second = second_network(lab)
    results = lab.directory / "cache" / "results"
    results.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "lab", results], check=True)
    try:
        network, pod = lab.network(max_conf_num=0), lab.pod()
        with pytest.raises(NetworkError, match="no space left on device") as raised:
            await network.setup(pod)
        assert raised.value.code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert str(results) in str(raised.value)
        await network.teardown(pod, None)
    finally:
        subprocess.run(["umount", results], check=True)
    assert nothing_left(lab)
    assert addresses(lab, second) == []


async def test_a_record_that_is_lost_of_two(lab: Lab) -> None:
    """The pod's result tells that it had an interface more, and the network that has it today is asked to free it."""
    lab.write(lab.conf())
    second = second_network(lab)
    pod = lab.pod()
    result = await lab.network(max_conf_num=0).setup(pod)
    assert len(addresses(lab, second)) == 1
    (lab.directory / "cache" / "results" / f"{second}-{pod.sandbox_id}-eth1").unlink()
    await lab.network(max_conf_num=0).teardown(pod, result.stored)
    assert nothing_left(lab)
    assert addresses(lab, second) == []
