"""The addresses that the daemon listens on: free, or already its own."""

from __future__ import annotations

import ipaddress
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from cri_shim.doctor.facts.code import Code
from cri_shim.doctor.facts.files import text_of
from cri_shim.kernel.processes import all_pids, arguments

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from cri_shim.config import Config
    from cri_shim.doctor.facts.code import Outcome
    from cri_shim.doctor.facts.place import Place

IN_USE = Code(
    "port-in-use",
    "error",
    "another program uses a port of the daemon",
    "the daemon's ports are free, or in use by itself",
)
CODES: Final = (IN_USE,)

_LISTEN: Final = "0A"
_ANY: Final = ("0.0.0.0", "::")  # noqa: S104 - to compare with


class Port(Struct, frozen=True):
    """A port that the daemon is configured to listen on."""

    key: str
    address: str
    number: int


class User(Struct, frozen=True):
    """A socket that listens on one of the ports; ``pid`` is 0 if only root may know it, or no process has it."""

    port: Port
    pid: int
    program: str = ""


def ports_of(config: Config) -> list[Port]:
    """Return the ports that are configured. Left out are port 0 (any free one), unix sockets and empty addresses."""
    stream = config.stream
    ports = [Port("stream.stream_server_port", stream.stream_server_address, int(stream.stream_server_port))]
    address = config.http.address
    if address and not address.startswith("unix:"):
        host, _, number = address.rpartition(":")
        ports.append(Port("http.address", host.strip("[]"), int(number)))
    return [port for port in ports if port.number]


def read_users(ports: Iterable[Port], place: Place) -> list[User]:
    """Find what listens on the ports. Blocks."""
    sockets = [socket for table in ("net/tcp", "net/tcp6") for socket in listening(text_of(place.proc / table) or "")]
    inodes = {
        inode: port for port in ports for host, number, inode in sockets if number == port.number and _clash(host, port)
    }
    owners = _owners(inodes, place) if inodes else {}
    return [User(port, owners.get(inode, 0), _program(owners.get(inode, 0), place)) for inode, port in inodes.items()]


def listening(table: str) -> list[tuple[str, int, int]]:
    """Return address, port and inode of each listening socket in the text of /proc/net/tcp or tcp6.

    An address is in the table's own form (hexadecimal words of the machine), except that all zeroes are ``any``.
    """
    sockets = []
    for line in table.splitlines()[1:]:
        words = line.split()
        if len(words) > 9 and words[3] == _LISTEN:
            host, _, port = words[1].partition(":")
            sockets.append(("any" if not host.strip("0") else host, int(port, 16), int(words[9])))
    return sockets


def _clash(host: str, port: Port) -> bool:
    """Return whether a socket on ``host`` keeps the daemon from its address; in doubt it does."""
    if host == "any" or port.address in _ANY:
        return True
    try:
        return _address(host) == ipaddress.ip_address(port.address)
    except ValueError:
        return True


def _address(words: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the address that the kernel has as words in the order of the machine; IPv4 also where it is mapped."""
    packed = b"".join(int(words[start : start + 8], 16).to_bytes(4, sys.byteorder) for start in range(0, len(words), 8))
    address = ipaddress.ip_address(packed)
    return getattr(address, "ipv4_mapped", None) or address


def _owners(inodes: Collection[int], place: Place) -> dict[int, int]:
    """Return the process of each socket, as far as its descriptors may be read."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    owners: dict[int, int] = {}
    for pid in all_pids(place.proc):
        try:
            descriptors = list((place.proc / str(pid) / "fd").iterdir())
        except OSError:
            continue  # of another user, or it has ended
        for descriptor in descriptors:
            inode = wanted.get(_target(descriptor))
            if inode is not None:
                owners.setdefault(inode, pid)
        if len(owners) == len(wanted):
            break
    return owners


def _target(link: Path) -> str:
    try:
        return os.readlink(link)  # noqa: PTH115 - "socket:[1]" is not a path
    except OSError:
        return ""


def _program(pid: int, place: Place) -> str:
    command = arguments(pid, place.proc) if pid else []
    return Path(command[0]).name if command else ""


def judge_ports(users: Iterable[User], daemons: Collection[int], place: Place) -> Iterator[Outcome]:
    """Judge the users of the ports; ``daemons`` are the processes that hold a lock of the daemon.

    While it starts, a daemon has its directories and ports before its socket. That two of them run is another check.
    """
    for user in users:
        port = user.port
        if user.pid in daemons:
            continue
        named = f"port {port.number} ({port.key}) is in use"
        if user.pid:
            yield IN_USE.report(
                f"{named} by process {user.pid} ({user.program or 'without a name'})",
                f"set another {port.key} in the configuration, or stop that program:",
                f"$ kill {user.pid}",
            )
        elif daemons or not place.is_root:
            yield IN_USE.unknown(f"{named}, and only root sees by which process", place.sudo())
        else:
            yield IN_USE.report(
                f"{named} by a process that cannot be seen from here",
                f"set another {port.key} in the configuration",
            )
