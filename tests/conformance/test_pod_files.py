"""What a pod gives every container in it: resolv.conf, hostname, hosts, /dev/shm, sysctls."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri


@pytest.mark.proves("PodSandboxConfig.dns_config", "DNSConfig.servers", "DNSConfig.searches", "DNSConfig.options")
async def test_dns_config_becomes_resolv_conf(node):
    """Servers, searches and options are in /etc/resolv.conf, and nothing else."""
    pod = await node.run(
        dns_config=cri.DNSConfig(servers=["10.0.0.10", "10.0.0.11"], searches=["a.test", "b.test"], options=["ndots:5"])
    )
    lines = (await pod.output("cat /etc/resolv.conf")).splitlines()
    assert sorted(lines) == ["nameserver 10.0.0.10", "nameserver 10.0.0.11", "options ndots:5", "search a.test b.test"]


async def test_without_dns_config_the_nodes_resolv_conf_is_used(node):
    """A pod without DNS settings has the node's resolv.conf."""
    pod = await node.run()
    assert await pod.output("cat /etc/resolv.conf") == Path("/etc/resolv.conf").read_text().strip()


@pytest.mark.proves("PodSandboxConfig.hostname")
async def test_the_hostname_is_the_pods(node):
    """The configured hostname is the host name, the content of /etc/hostname, and in $HOSTNAME."""
    pod = await node.run(hostname="some-host")
    assert await pod.output("hostname; cat /etc/hostname; echo $HOSTNAME") == "some-host\nsome-host\nsome-host"


async def test_a_host_network_pod_has_the_nodes_hostname(node):
    """With the node's network and no hostname the container has the node's."""
    pod = await node.run(network=cri.NODE)
    assert await pod.output("hostname", network=cri.NODE) == os.uname().nodename


async def test_hosts_is_the_nodes_file(node):
    """Without a mount of its own /etc/hosts is a copy of the node's."""
    pod = await node.run()
    assert await pod.output("cat /etc/hosts") == Path("/etc/hosts").read_text().strip()


async def test_a_mount_replaces_the_pods_file(node, tmp_path):
    """A mount on /etc/hosts, as the kubelet makes it, is used instead of the runtime's file."""
    hosts = tmp_path / "hosts"
    hosts.write_text("192.0.2.1 mine\n")
    pod = await node.run()
    mount = cri.Mount(container_path="/etc/hosts", host_path=str(hosts))
    assert await pod.output("cat /etc/hosts", mounts=[mount]) == "192.0.2.1 mine"


async def test_shared_memory_is_the_pods(node):
    """/dev/shm is a tmpfs of 64 MiB that the pod's containers share, writable for all."""
    pod = await node.run()
    first = await pod.start()
    assert "tmpfs" in await first.output("grep ' /dev/shm ' /proc/mounts")
    assert await first.output("stat -c %a /dev/shm; df -k /dev/shm | tail -1 | awk '{print $2}'") == "1777\n65536"
    await first.output("echo shared > /dev/shm/x")
    assert await pod.output("cat /dev/shm/x") == "shared"


@pytest.mark.proves("LinuxPodSandboxConfig.sysctls")
async def test_sysctls_are_set(node):
    """Sysctls of the pod hold in its network and IPC namespaces, and leave the node's as they are."""
    before = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
    pod = await node.run(sysctls={"net.ipv4.ip_local_port_range": "20000 30000", "kernel.shm_rmid_forced": "1"})
    shown = await pod.output("cat /proc/sys/net/ipv4/ip_local_port_range /proc/sys/kernel/shm_rmid_forced")
    assert shown.split() == ["20000", "30000", "1"]
    assert Path("/proc/sys/net/ipv4/ip_local_port_range").read_text() == before
