"""libcni's cache of attachments, in its own format and place, so that its other users can go on with our pods.

A DEL needs what the ADD was made with: the configuration of that day, its arguments and its result. libcni keeps it in
`CACHE_DIR/results/NETWORK-CONTAINERID-IFNAME`, JSON of kind `cniCacheV1`, and so do we: containerd's CRI plugin can
take down pods that this daemon set up, and the other way round. One thing is added: the file is written when the ADD
begins, without a result, since a half-done ADD has to be undone as well (libcni takes that for "no result known").
Source: libcni/api.go. Everything here blocks for as long as a small file takes.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from cri_shim.network.errors import NetworkError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cri_shim.network.invoke import Attachment

_KIND: Final = "cniCacheV1"


class Cached(Struct, frozen=True):
    """One remembered attachment. `result` is None when the ADD never came to its end."""

    network: str
    container_id: str
    ifname: str
    source: bytes
    args: tuple[tuple[str, str], ...]
    capability_args: Mapping[str, Any]
    result: Mapping[str, Any] | None


class ResultCache:
    """The cache below one `cache_dir`."""

    def __init__(self, cache_dir: str) -> None:
        self._results = Path(cache_dir) / "results"

    def write(self, attachment: Attachment, result: Mapping[str, Any] | None) -> None:
        """Remember an attachment. Raises `OSError`.

        One write, as libcni does it, and no rename: a file cut short by a crash of the machine is passed over by
        `find`, and the namespace is gone then as well. A rename would cost more than the rest (ext4 flushes for it).
        """
        content: dict[str, Any] = {
            "kind": _KIND,
            "containerId": attachment.container_id,
            "config": base64.b64encode(attachment.network.source).decode(),
            "ifName": attachment.ifname,
            "networkName": attachment.network.name,
            "netns": attachment.netns,
            "cniArgs": attachment.args,
            "capabilityArgs": attachment.capability_args,
        }
        if result is not None:
            content["result"] = result
        path = self._path(attachment.network.name, attachment.container_id, attachment.ifname)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        try:
            fd = os.open(path, flags, 0o600)
        except FileNotFoundError:
            self._results.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(path, flags, 0o600)
        try:
            os.write(fd, json.dumps(content, separators=(",", ":")).encode())
        finally:
            os.close(fd)

    def find(self, container_id: str) -> list[Cached]:
        """Return what is remembered of a container, by network and interface. Unreadable files are passed over."""
        entries = map(_read, self._files(container_id))
        return [cached for cached in entries if cached is not None and cached.container_id == container_id]

    def forget(self, container_id: str) -> None:
        """Remove a container's files, those too that a killed daemon has left empty; forgetting twice is fine."""
        for path in self._files(container_id):
            cached = _read(path)
            if cached is None or cached.container_id == container_id:
                path.unlink(missing_ok=True)

    def _files(self, container_id: str) -> list[Path]:
        try:
            # No glob: each pattern would be compiled, and hundreds of them kept.
            return sorted(path for path in self._results.iterdir() if f"-{container_id}-" in path.name)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _path(self, network: str, container_id: str, ifname: str) -> Path:
        name = f"{network}-{container_id}-{ifname}"
        if "/" in name or not (network and container_id and ifname):
            raise NetworkError(f"{name!r} cannot be the name of a cached network result")
        return self._results / name


def _read(path: Path) -> Cached | None:
    with suppress(OSError, ValueError, KeyError, TypeError):
        return _parse(path.read_bytes())
    return None


def _parse(data: bytes) -> Cached:
    content = json.loads(data)
    if content["kind"] != _KIND:
        raise ValueError("another kind of cache file")
    try:
        source = base64.b64decode(content.get("config") or "", validate=True)
    except binascii.Error as error:
        raise ValueError("the cached configuration is damaged") from error
    return Cached(
        network=content["networkName"],
        container_id=content["containerId"],
        ifname=content["ifName"],
        source=source,
        args=tuple((str(key), str(value)) for key, value in content.get("cniArgs") or ()),
        capability_args=content.get("capabilityArgs") or {},
        result=content.get("result"),
    )
