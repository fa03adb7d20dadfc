"""What a single value must satisfy beyond its type. Each check returns what is wrong, or an empty string."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from cri_shim.config.forms import render_duration

if TYPE_CHECKING:
    from collections.abc import Callable

# containerd refuses a namespace of any other shape (its package `identifiers`).
_IDENTIFIER = re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*")
_IDENTIFIER_MAX = 76
# sun_path of a unix socket address has 108 bytes, the last one is 0.
_SOCKET_PATH_MAX = 107


def absolute_path(value: str) -> str:
    """A path from the root; relative ones would depend on where the daemon was started."""
    return "" if value.startswith("/") else f"{value!r} is not an absolute path"


def optional_path(value: str) -> str:
    """Empty, or a path from the root."""
    return absolute_path(value) if value else ""


def path_list(value: str) -> str:
    """Paths from the root, with colons between them; empty is none."""
    return next(filter(None, map(optional_path, value.split(":"))), "")


def absolute_paths(value: tuple[str, ...]) -> str:
    """At least one path, all from the root."""
    return next(filter(None, map(absolute_path, value)), "") if value else "is empty, name at least one directory"


def socket_path(value: str) -> str:
    """A path that fits into a unix socket's address."""
    if len(value.encode()) > _SOCKET_PATH_MAX:
        return f"{value!r} is longer than the {_SOCKET_PATH_MAX} bytes that a unix socket's path may have"
    return absolute_path(value)


def socket_address(value: str) -> str:
    """A unix socket's path, with or without ``unix://`` before it."""
    return socket_path(value.removeprefix("unix://"))


def socket_mode(value: int) -> str:
    """No permission for others: whoever can open the socket can become root on the node."""
    if value & 0o007:
        return f'"{value:04o}" lets every user of the node in, who could then become root; use "0660" or "0600"'
    return ""


def identifier(value: str) -> str:
    """A name that containerd takes for a namespace or a snapshotter."""
    if len(value) <= _IDENTIFIER_MAX and _IDENTIFIER.fullmatch(value):
        return ""
    return f"{value!r} is not a name that containerd takes: letters and digits, with single '.', '_' or '-' between"


def optional_identifier(value: str) -> str:
    """Empty, or a name that containerd takes."""
    return identifier(value) if value else ""


def optional_listen_address(value: str) -> str:
    """Empty, ``ADDRESS:PORT`` with an IP address (an IPv6 one stands in brackets), or ``unix://PATH``."""
    if not value:
        return ""
    if value.startswith("unix://"):
        return socket_path(value.removeprefix("unix://"))
    host, colon, port = value.rpartition(":")
    try:
        ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        colon = ""
    if colon and port.isascii() and port.isdigit() and int(port) < 1 << 16:
        return ""
    return f"{value!r} is not an IP address and a port, such as 127.0.0.1:9735, nor unix:///PATH"


def not_empty(value: str) -> str:
    """Something must be there."""
    return "" if value else "is empty"


def seccomp_profile(value: str) -> str:
    """What may stand for a container's missing seccomp profile."""
    if value in {"", "unconfined", "runtime/default", "docker/default"}:
        return ""
    if value.startswith("localhost/"):
        return optional_path(value.removeprefix("localhost/")) or not_empty(value.removeprefix("localhost/"))
    return f'{value!r} is not a seccomp profile; use "", "unconfined", "runtime/default" or "localhost//path/to/file"'


def between(low: int, high: int) -> Callable[[float], str]:
    """A number from ``low`` to ``high``, both included."""

    def check(value: float) -> str:
        return "" if low <= value <= high else f"{value:g} is not between {low} and {high}"

    return check


def ip_address(value: str) -> str:
    """An address of this machine, by number."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return f"{value!r} is not an IP address"
    return ""


def port(value: str) -> str:
    """A TCP port as a string, as containerd has it; 0 is any."""
    if value.isascii() and value.isdecimal() and int(value[:6]) < 65536:
        return ""
    return f"{value!r} is not a port from 0 to 65535"


def not_negative(value: int) -> str:
    """A count of something."""
    return "" if value >= 0 else f"{value} is negative"


def at_least_a_second(value: float) -> str:
    """A duration, in seconds, that gives the work a chance."""
    return "" if value >= 1 else f"{render_duration(value)!r} is less than a second"
