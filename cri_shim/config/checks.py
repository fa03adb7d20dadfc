"""Check single values beyond their type; each check returns what is wrong, or an empty string."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from cri_shim.config.forms import render_duration

if TYPE_CHECKING:
    from collections.abc import Callable

# containerd rejects a namespace of any other form (its package ``identifiers``).
_IDENTIFIER = re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*")
_IDENTIFIER_MAX = 76
# sun_path of a unix socket address has 108 bytes, of which the last one is 0.
_SOCKET_PATH_MAX = 107


def absolute_path(value: str) -> str:
    """Check for an absolute path; a relative one would depend on the directory in which the daemon was started."""
    return "" if value.startswith("/") else f"{value!r} is not an absolute path"


def optional_path(value: str) -> str:
    """Check for an empty string or an absolute path."""
    return absolute_path(value) if value else ""


def path_list(value: str) -> str:
    """Check for absolute paths, separated by colons; empty means none."""
    return next(filter(None, map(optional_path, value.split(":"))), "")


def absolute_paths(value: tuple[str, ...]) -> str:
    """Check for at least one path, all of them absolute."""
    return next(filter(None, map(absolute_path, value)), "") if value else "is empty, name at least one directory"


def socket_path(value: str) -> str:
    """Check for a path that fits into a unix socket's address."""
    if len(value.encode()) > _SOCKET_PATH_MAX:
        return f"{value!r} is longer than the {_SOCKET_PATH_MAX} bytes that a unix socket's path may have"
    return absolute_path(value)


def socket_address(value: str) -> str:
    """Check for a unix socket's path, with or without the prefix ``unix://``."""
    return socket_path(value.removeprefix("unix://"))


def socket_mode(value: int) -> str:
    """Check that other users have no permission, because a user who can open the socket can become root on the node."""
    if value & 0o007:
        return f'"{value:04o}" would allow every user of the node to connect and become root; use "0660" or "0600"'
    return ""


def identifier(value: str) -> str:
    """Check for a name that containerd accepts for a namespace or a snapshotter."""
    if len(value) <= _IDENTIFIER_MAX and _IDENTIFIER.fullmatch(value):
        return ""
    return f"{value!r} is not a name that containerd accepts: letters and digits, with single '.', '_' or '-' between"


def optional_identifier(value: str) -> str:
    """Check for an empty string or a name that containerd accepts."""
    return identifier(value) if value else ""


def optional_listen_address(value: str) -> str:
    """Check for "", ``ADDRESS:PORT`` with an IP address (an IPv6 one in brackets), or ``unix://PATH``."""
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
    """Check that a string is not empty."""
    return "" if value else "is empty"


def seccomp_profile(value: str) -> str:
    """Check for a seccomp profile that may replace a container's missing one."""
    if value in {"", "unconfined", "runtime/default", "docker/default"}:
        return ""
    if value.startswith("localhost/"):
        return optional_path(value.removeprefix("localhost/")) or not_empty(value.removeprefix("localhost/"))
    return f'{value!r} is not a seccomp profile; use "", "unconfined", "runtime/default" or "localhost//path/to/file"'


def between(low: int, high: int) -> Callable[[float], str]:
    """Return a check for a number from ``low`` to ``high``, both included."""

    def check(value: float) -> str:
        return "" if low <= value <= high else f"{value:g} is not between {low} and {high}"

    return check


def ip_address(value: str) -> str:
    """Check for a numeric IP address."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return f"{value!r} is not an IP address"
    return ""


def port(value: str) -> str:
    """Check for a TCP port as a string, as in containerd's configuration; 0 means any port."""
    if value.isascii() and value.isdecimal() and int(value[:6]) < 65536:
        return ""
    return f"{value!r} is not a port from 0 to 65535"


def not_negative(value: int) -> str:
    """Check that a count is not negative."""
    return "" if value >= 0 else f"{value} is negative"


def at_least_a_second(value: float) -> str:
    """Check for a duration of at least a second, so that the work does not run all the time."""
    return "" if value >= 1 else f"{render_duration(value)!r} is less than a second"


def some_time(value: float) -> str:
    """Check for a duration above zero, because nothing is done in no time."""
    return "" if value > 0 else f"{render_duration(value)!r} leaves no time at all"
