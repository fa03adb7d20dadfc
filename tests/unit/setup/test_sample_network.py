"""The subnet of a sample network: nothing of the node's is in it."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from cri_shim.network.conflist import parse_conflist
from cri_shim.setup.sample_network import free_subnet, sample_network, taken_networks

ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
tun0\t0000C80A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
off0\t0000C90A\t00000000\t0000\t0\t0\t0\t0000FFFF\t0\t0\t0
"""
FIB = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 10.202.0.7
        /32 host LOCAL
     |-- 10.203.0.0
        /24 link UNICAST
"""


@pytest.fixture
def taken(tmp_path):
    """What a node with routes, an address and name servers has in use."""
    (tmp_path / "net").mkdir()
    (tmp_path / "net/route").write_text(ROUTES)
    (tmp_path / "net/fib_trie").write_text(FIB)
    (tmp_path / "resolv.conf").write_text("search a\nnameserver 10.203.0.53\nnameserver fd00::1\nnameserver\n")
    return taken_networks(tmp_path, tmp_path / "resolv.conf")


def test_routes_addresses_and_name_servers_are_in_use(taken):
    """The default route is not, nor a route that is down."""
    assert set(taken) == {
        IPv4Network("192.0.2.0/24"),
        IPv4Network("10.200.0.0/16"),
        IPv4Network("10.202.0.7/32"),
        IPv4Network("10.203.0.53/32"),
    }


def test_the_first_free_subnet_is_taken(taken):
    """10.201 is free, because its route is down."""
    assert free_subnet(taken) == IPv4Network("10.201.0.0/24")
    assert free_subnet([IPv4Network("10.0.0.0/8")]) == IPv4Network("172.20.200.0/24")


def test_a_node_that_uses_everything_gets_none():
    """Rather none than one that hides something."""
    assert free_subnet([IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16")]) is None


def test_the_network_is_one_that_the_daemon_reads():
    """It has addresses and host ports."""
    network = parse_conflist(sample_network(IPv4Network("10.200.0.0/24")).encode())
    assert [plugin.type for plugin in network.plugins] == ["bridge", "portmap"]
