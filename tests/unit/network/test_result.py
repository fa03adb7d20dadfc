"""Plugin results of every version to the pod's addresses and the stored form."""

from __future__ import annotations

import pytest

from cri_shim.network.errors import NetworkError
from cri_shim.network.result import combine, order_ips

MODERN = {
    "cniVersion": "1.0.0",
    "interfaces": [{"name": "br0", "mac": "aa"}, {"name": "eth0", "mac": "bb", "sandbox": "/ns", "pciID": "1:2"}],
    "ips": [
        {"interface": 1, "address": "10.1.0.2/24", "gateway": "10.1.0.1"},
        {"interface": 1, "address": "fd00:0::2/64"},
    ],
    "routes": [{"dst": "0.0.0.0/0"}],
    "dns": {"nameservers": ["1.2.3.4"], "domain": ""},
}


def test_modern_result() -> None:
    """Interfaces keep their data, addresses lose the prefix length and are written canonically."""
    result = combine([MODERN], "/ns", "")
    assert result.ips == ("10.1.0.2", "fd00::2")
    assert result.stored["Interfaces"]["eth0"] == {
        "IPConfigs": [{"IP": "10.1.0.2", "Gateway": "10.1.0.1"}, {"IP": "fd00::2", "Gateway": ""}],
        "Mac": "bb",
        "Sandbox": "/ns",
        "PciID": "1:2",
    }
    assert result.stored["Interfaces"]["br0"] == {"IPConfigs": None, "Mac": "aa", "Sandbox": ""}
    assert result.stored["DNS"] == [{}, {"nameservers": ["1.2.3.4"]}]
    assert result.stored["Routes"] == [{"dst": "0.0.0.0/0"}]


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_result_of_the_first_versions(version: str) -> None:
    """`ip4` and `ip6` become addresses of eth0 and their routes are collected."""
    old = {
        "cniVersion": version,
        "ip4": {"ip": "10.1.0.2/24", "gateway": "10.1.0.1", "routes": [{"dst": "0.0.0.0/0"}]},
        "ip6": {"ip": "fd00::2/64"},
    }
    result = combine([old], "/ns", "ipv6")
    assert result.ips == ("fd00::2", "10.1.0.2")
    assert result.stored["Routes"] == [{"dst": "0.0.0.0/0"}]
    assert result.stored["Interfaces"]["eth0"]["IPConfigs"][0]["Gateway"] == "10.1.0.1"


def test_addresses_without_an_interface_belong_to_eth0() -> None:
    """Plugins may leave the interface out; 0.3.1's `version` field does no harm."""
    result = combine([{"cniVersion": "0.3.1", "ips": [{"version": "4", "address": "10.1.0.2/24"}]}], "/ns", "")
    assert result.ips == ("10.1.0.2",)
    assert result.stored["Routes"] is None


@pytest.mark.parametrize(
    ("preference", "expected"),
    [
        ("", ("10.0.0.1", "fd00::1", "fd00::2", "10.0.0.2")),
        ("ipv4", ("10.0.0.1", "fd00::1", "fd00::2", "10.0.0.2")),
        ("ipv6", ("fd00::1", "fd00::2", "10.0.0.1", "10.0.0.2")),
        ("cni", ("fd00::1", "fd00::2", "10.0.0.1", "10.0.0.2")),
    ],
)
def test_preferred_family_comes_first(preference: str, expected: tuple[str, ...]) -> None:
    """Only the first of the preferred family moves; the others keep the plugins' order."""
    assert order_ips(["fd00::1", "fd00::2", "10.0.0.1", "10.0.0.2"], preference) == expected


def test_preferred_family_missing() -> None:
    """Without an address of the family the plugins' order stays."""
    assert order_ips(["fd00::1"], "ipv4") == ("fd00::1",)


@pytest.mark.parametrize(
    "broken",
    [
        {"ips": [{"interface": 3, "address": "10.1.0.2/24"}]},
        {"ips": [{"interface": -1, "address": "10.1.0.2/24"}], "interfaces": [{"name": "x"}]},
        {"ips": [{"address": "nonsense"}]},
        {"ips": [{}]},
        {"ips": ["10.1.0.2/24"]},
        {"interfaces": [{}]},
        {"ip4": "10.1.0.2/24"},
        {"ips": [{"address": "10.1.0.2/24"}], "dns": ["1.2.3.4"]},
    ],
)
def test_malformed_result_is_a_network_error(broken: dict[str, object]) -> None:
    """Whatever a plugin returns, the outcome is a NetworkError, never another exception."""
    with pytest.raises(NetworkError, match="cannot understand"):
        combine([broken], "/ns", "")


def test_no_address_is_an_error() -> None:
    """An attachment without an address on eth0 is none."""
    with pytest.raises(NetworkError, match="no IP address for eth0"):
        combine([{"interfaces": [{"name": "eth0"}]}], "/ns", "")
