"""Find out what is behind containerd's socket, from nothing at all to a containerd of some version."""

from __future__ import annotations

import asyncio
import errno
import socket
import stat
import struct
from contextlib import closing
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from containerd_client import ContainerdError, DeadlineExceeded, call_options

if TYPE_CHECKING:
    from pathlib import Path

    from containerd_client import Containerd

Kind: TypeAlias = Literal[
    "missing", "not-socket", "unusable", "forbidden", "refused", "hangs", "connected", "silent", "other", "containerd"
]
PATIENCE: Final = 3.0
"""Seconds for one question to containerd; it answers in milliseconds."""

_PEER: Final = struct.Struct("3i")


class SocketState(Struct, frozen=True):
    """What is behind the socket; ``pid`` is the process that made it, 0 if unknown."""

    kind: Kind
    pid: int = 0
    version: str = ""
    detail: str = ""


def path_of(address: str) -> str:
    """Return the path of an address that is a path or a ``unix://`` URL."""
    return address.removeprefix("unix://")


def connect(path: Path, patience: float = PATIENCE) -> SocketState:
    """Connect to the socket and hang up. Blocks for at most ``patience`` seconds.

    The kernel remembers the process that began to listen (SO_PEERCRED, unix(7)), whatever version it is.
    """
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            return SocketState("not-socket")
    except (FileNotFoundError, NotADirectoryError):
        return SocketState("missing")
    except PermissionError:
        return SocketState("forbidden")
    except OSError as error:
        return SocketState("unusable", detail=(error.strerror or str(error)).lower())
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
        probe.settimeout(patience)
        try:
            probe.connect(str(path))
        except (TimeoutError, BlockingIOError):
            return SocketState("hangs")
        except PermissionError:
            return SocketState("forbidden")
        except FileNotFoundError:
            return SocketState("missing")
        except OSError as error:
            if error.errno == errno.ECONNREFUSED:
                return SocketState("refused")
            if error.errno == errno.EPROTOTYPE:
                return SocketState("other", detail="it takes no streams")
            return SocketState("unusable", detail=(error.strerror or str(error)).lower())
        pid, _uid, _gid = _PEER.unpack(probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        return SocketState("connected", pid=pid)


async def ask_version(client: Containerd, state: SocketState) -> SocketState:
    """Ask the program behind the socket for its version; never raises ContainerdError."""
    try:
        async with asyncio.timeout(PATIENCE + 1):
            with call_options(timeout=PATIENCE):
                answer = await client.version.get()
    except (DeadlineExceeded, TimeoutError):
        return replace(state, kind="silent")
    except ContainerdError as error:
        return replace(state, kind="other", detail=str(error))
    return replace(state, kind="containerd", version=answer.version)
