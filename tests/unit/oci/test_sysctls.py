"""Kernel parameters of a pod without a process, which we set ourselves."""

from __future__ import annotations

import pytest

from cri_shim.errors import InvalidArgumentError
from cri_shim.oci.sysctls import pod_sysctls, sysctl_path


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/conf/eth0.1/forwarding", "net/ipv4/conf/eth0.1/forwarding"),
        ("net.ipv4.conf.eth0/1.forwarding", "net/ipv4/conf/eth0.1/forwarding"),
        ("kernel.shmmax", "kernel/shmmax"),
    ],
)
def test_paths(name, path):
    """Dots and slashes change places according to which comes first, as sysctl(8) has it."""
    assert sysctl_path(name) == path


@pytest.mark.parametrize(
    "name", ["", ".", "net..x", "net/../kernel/panic", "net.//.kernel.panic", "net./.x", "net/a\0"]
)
def test_what_leads_out_of_its_directory_is_refused(name):
    """No name reaches a file that its first part does not say."""
    with pytest.raises(InvalidArgumentError, match="not the name of a kernel parameter"):
        sysctl_path(name)


@pytest.mark.parametrize("name", ["kernel.panic", "vm.swappiness", "kernel.hostname", "fs.file-max", "kernel/shmmax/x"])
def test_what_belongs_to_the_node_is_refused(name):
    """A parameter that no namespace has its own of cannot be set for one pod."""
    with pytest.raises(InvalidArgumentError, match="not in a namespace of the pod"):
        pod_sysctls({name: "1"}, own_ipc=True)


@pytest.mark.parametrize("name", ["kernel.msgmax", "fs.mqueue.msg_max"])
def test_ipc_takes_an_ipc_namespace(name):
    """Those of IPC may be set in a pod that has its own IPC namespace only."""
    assert pod_sysctls({name: "9"}, own_ipc=True)[0] == {name.replace(".", "/"): "9"}
    with pytest.raises(InvalidArgumentError, match="not in a namespace of the pod"):
        pod_sysctls({name: "9"}, own_ipc=False)


def test_those_of_interfaces_wait():
    """An interface that a CNI plugin has yet to make has no parameters before; those of all and of lo are there."""
    values = {f"net.ipv4.conf.{interface}.forwarding": "1" for interface in ("all", "default", "lo", "eth0")}
    at_once, later = pod_sysctls(values, own_ipc=True)
    assert list(later) == ["net/ipv4/conf/eth0/forwarding"]
    assert len(at_once) == 3
