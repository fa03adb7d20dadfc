"""Read the text of a configuration file, whatever the path leads to.

A pipe is allowed, as for ``config check /dev/stdin``. But a daemon that reads its file again must not wait for ever for
a writer, and must not take a pipe that has been read already for an empty file, in which every key has its default.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from typing import TYPE_CHECKING, Final

from cri_shim.config.errors import ConfigError, Problem

if TYPE_CHECKING:
    from pathlib import Path

LARGEST: Final = 1 << 20
"""Bytes of a configuration; one with every key and its documentation has some 20 KiB."""
PATIENCE: Final = 5.0
"""Seconds that a pipe may take until its end."""
_CHUNK: Final = 1 << 16


def read_text(path: Path) -> str:
    """Return the text at ``path``; raises OSError, and ConfigError if what is there cannot be a configuration."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        data = _read(descriptor, path)
        if not data and stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            raise ConfigError([Problem(str(path), 0, "", "is a pipe into which nothing is written")])
    finally:
        os.close(descriptor)
    if len(data) > LARGEST:
        raise ConfigError([Problem(str(path), 0, "", f"is larger than {LARGEST} bytes")])
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(str(path), line, "", "not UTF-8, which TOML must be")]) from None
    return text.replace("\r\n", "\n")


def _read(descriptor: int, path: Path) -> bytes:
    """Return all that can be read, but hardly more than the largest configuration has."""
    until = time.monotonic() + PATIENCE
    data = bytearray()
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while len(data) <= LARGEST:
        if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
            break
        try:
            chunk = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            continue
        if not chunk:
            return bytes(data)
        data += chunk
    if len(data) <= LARGEST:
        raise OSError(errno.ETIMEDOUT, f"no end within {PATIENCE:.0f} s", str(path))
    return bytes(data)
