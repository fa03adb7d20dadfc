"""Make a sample CNI network whose subnet is not in use on this node."""

from __future__ import annotations

import ipaddress
import json
import socket
import struct
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Final

from cri_shim.kernel.small_file import read_small_file
from cri_shim.setup.targets import LARGEST
from untrusted import decode_utf8

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_UP: Final = 0x1


def sample_network(subnet: IPv4Network) -> str:
    """Return the configuration of a bridge with addresses of this node's own and with host ports."""
    document = {
        "cniVersion": "1.0.0",
        "name": "cri-shim",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cri-shim0",
                "isGateway": True,
                "ipMasq": True,
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": str(subnet)}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
    return f"{json.dumps(document, indent=2)}\n"


def free_subnet(taken: Iterable[IPv4Network]) -> IPv4Network | None:
    """Return the first of our subnets that overlaps none of ``taken``; None if all are in use."""
    used = list(taken)
    return next((one for one in _candidates() if not any(one.overlaps(other) for other in used)), None)


def _candidates() -> Iterator[IPv4Network]:
    """Yield subnets of 254 addresses, from those that few others choose."""
    for third in range(200, 256):
        yield ipaddress.IPv4Network(f"10.{third}.0.0/24")
    for second in range(20, 32):
        yield ipaddress.IPv4Network(f"172.{second}.200.0/24")
    for third in range(200, 255):
        yield ipaddress.IPv4Network(f"192.168.{third}.0/24")


def taken_networks(proc: Path, resolv_conf: Path) -> list[IPv4Network]:
    """Return the networks of routes and addresses, and the name servers, which a subnet of pods would hide. Blocks.

    The default route is not among them. Raises OSError if the routes cannot be read.
    """
    networks = _routes(decode_utf8(read_small_file(proc / "net/route", LARGEST)))
    with suppress(FileNotFoundError):
        networks += _addresses(decode_utf8(read_small_file(proc / "net/fib_trie", LARGEST)))
    with suppress(OSError):
        networks += _name_servers(decode_utf8(read_small_file(resolv_conf, LARGEST)))
    return [network for network in networks if network.prefixlen]


def _routes(text: str) -> list[IPv4Network]:
    """Parse /proc/net/route: hexadecimal words in the byte order of the machine."""
    networks = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 7 and int(fields[3], 16) & _UP:
            networks.append(IPv4Network((_address(fields[1]), str(_address(fields[7]))), strict=False))
    return networks


def _address(word: str) -> IPv4Address:
    return IPv4Address(socket.inet_ntoa(struct.pack("=I", int(word, 16))))


def _addresses(text: str) -> list[IPv4Network]:
    """Return the addresses of this node: the leaves of /proc/net/fib_trie that are marked as local."""
    networks, last = [], ""
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["|--"]:
            last = words[1]
        elif "LOCAL" in words and last:
            networks.append(IPv4Network(last))
    return networks


def _name_servers(text: str) -> list[IPv4Network]:
    networks = []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["nameserver"] and len(words) > 1:
            with suppress(ValueError):  # an address of IPv6
                networks.append(IPv4Network(words[1]))
    return networks
