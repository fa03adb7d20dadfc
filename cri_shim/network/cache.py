"""Keep libcni's cache of attachments, in its own format and place, so that other CNI runtimes can take over our pods.

A DEL needs what the ADD was made with: the configuration of that day, its arguments and its result. libcni stores them
in ``CACHE_DIR/results/NETWORK-CONTAINERID-IFNAME`` as JSON of kind ``cniCacheV1``, and so does this module:
containerd's CRI plugin can take down pods that this daemon set up, and the other way round. We add two things. We write
the file when the ADD begins, without a result, since a half-done ADD has to be undone as well (libcni reads that as "no
result known"). For an ADD that failed, the file says how many plugins of the chain have run.

We do not trust what is in the directory. A file is identified by its name, content that cannot be used is left out, and
a damaged file still proves that there was an attachment. Everything here blocks for as long as a small file takes.
Source: libcni/api.go.
"""

from __future__ import annotations

import base64
import binascii
import errno
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog
from msgspec import Struct
from msgspec.structs import replace

from cri_shim.kernel.small_file import read_small_file
from cri_shim.network.capabilities import usable_capability_args
from cri_shim.network.errors import CniError, NetworkError
from cri_shim.network.plugin_result import checked_result
from untrusted import DocumentError, Object, escaped, parse_object

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cri_shim.network.invoke import Attachment

LARGEST: Final = 4 << 20
"""The most bytes of a cache file: a configuration (in base64), a result, and the pod's annotations."""

_KIND: Final = "cniCacheV1"
_BEGUN: Final = "criShimPluginsBegun"
_REFUSAL: Final = "criShimRefusal"

log = structlog.get_logger(__name__)


class Cached(Struct, frozen=True):
    """One cached attachment.

    ``result`` is None when the ADD did not finish, or when its result cannot be read.
    """

    network: str
    container_id: str
    ifname: str
    source: bytes = b""
    args: tuple[tuple[str, str], ...] = ()
    capability_args: Mapping[str, Any] = {}
    result: Mapping[str, Any] | None = None
    begun: int | None = None
    """How many plugins of the chain have run, if the ADD is known to have failed; else None."""
    refusal: str = ""
    """The error message of the last plugin that ran, if the ADD is known to have failed."""


class NotStarted(Struct, frozen=True):
    """The outcome of an ADD that did not begin because one before it had failed."""


Outcome = dict[str, Any] | CniError | NotStarted
"""How an ADD ended: with its result, with the failure of a plugin, or without having begun."""


class ResultCache:
    """The cache below one ``cache_dir``."""

    def __init__(self, cache_dir: str) -> None:
        self._results = Path(cache_dir) / "results"

    def write(self, attachment: Attachment, outcome: Outcome | None) -> None:
        """Store an attachment; ``outcome`` is None while its ADD runs.

        The file is written in one write, as libcni does it, and without a rename: ``find`` skips a file that a crash of
        the machine cut short, and the network namespace is gone then as well. A rename would cost more than all the
        rest, because ext4 flushes for it. The new content overwrites the old before the file is truncated, so that the
        file is never empty.

        Raises ``OSError``.
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
        if isinstance(outcome, CniError):
            content |= {_BEGUN: outcome.plugins_begun, _REFUSAL: outcome.said}
        elif isinstance(outcome, NotStarted):
            content[_BEGUN] = 0
        elif outcome is not None:
            content["result"] = outcome
        path = self._path(attachment.network.name, attachment.container_id, attachment.ifname)
        data = json.dumps(content, separators=(",", ":")).encode()
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            fd = os.open(path, flags, 0o600)
        except FileNotFoundError:
            self._results.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(path, flags, 0o600)
        try:
            if os.write(fd, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.ftruncate(fd, len(data))
        except OSError as error:
            error.filename = str(path)  # Python does not know it, since the call has only a descriptor
            raise
        finally:
            os.close(fd)

    def find(self, container_id: str) -> list[Cached]:
        """Return the cached attachments of a container, ordered by network and interface.

        Raises ``OSError`` if the directory cannot be read.
        """
        entries = [_read(path, container_id) for path in self._files(container_id)]
        return [cached for cached in entries if cached is not None]

    def forget(self, entries: Sequence[Cached]) -> None:
        """Remove the files of these attachments.

        A file that is gone already is fine; one that cannot be removed is logged.
        """
        for cached in entries:
            path = self.path_of(cached)
            try:
                path.unlink(missing_ok=True)
            except OSError as error:  # libcni ignores this silently
                log.warning("network.cache_not_removed", path=escaped(str(path)), error=error.strerror)

    def path_of(self, cached: Cached) -> Path:
        """Return the path of its file."""
        return self._results / f"{cached.network}-{cached.container_id}-{cached.ifname}"

    def _files(self, container_id: str) -> list[Path]:
        try:
            # No glob, because Python would compile each pattern and cache hundreds of them.
            return sorted(path for path in self._results.iterdir() if f"-{container_id}-" in path.name)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _path(self, network: str, container_id: str, ifname: str) -> Path:
        name = f"{network}-{container_id}-{ifname}"
        if "/" in name or not (network and container_id and ifname):
            raise NetworkError(f"{name!r} cannot be the name of a cached network result")
        return self._results / name


def _read(path: Path, container_id: str) -> Cached | None:
    """Return the attachment that a file describes, or None if it belongs to another container or is gone.

    What cannot be used is left out, down to an attachment that has nothing but the names in the file's name.
    """
    network, _, ifname = path.name.partition(f"-{container_id}-")
    if not network or not ifname:
        return None
    name_only = Cached(network, container_id, ifname)
    try:
        document = parse_object(read_small_file(path, LARGEST))
        if "kind" not in document:  # written before libcni 0.8: the result alone
            result = _result(document)
            return replace(name_only, result=result if result is not None and len(result) > 1 else None)
        if document.text("kind") != _KIND:
            return name_only
        if document.text("containerId") != container_id:
            return None
    except FileNotFoundError:
        return None
    except (OSError, DocumentError):
        return name_only
    return Cached(
        network,
        container_id,
        ifname,
        source=_source(document),
        args=_args(document),
        capability_args=_capability_args(document),
        result=_result(document.object("result")) if _is_object(document, "result") else None,
        begun=_begun(document),
        refusal=refusal if isinstance(refusal := _value(document, _REFUSAL), str) else "",
    )


# Each function below reads one field. A damaged field counts as absent: the DEL does without it.


def _is_object(document: Object, name: str) -> bool:
    return isinstance(_value(document, name), dict)


def _value(document: Object, name: str) -> Any:
    try:
        return document.value(name)
    except DocumentError:
        return None


def _source(document: Object) -> bytes:
    encoded = _value(document, "config")
    try:
        return base64.b64decode(encoded, validate=True) if isinstance(encoded, str) else b""
    except (binascii.Error, ValueError):
        return b""


def _args(document: Object) -> tuple[tuple[str, str], ...]:
    pairs = _value(document, "cniArgs")
    if not isinstance(pairs, list):
        return ()
    usable = [pair for pair in pairs if isinstance(pair, list) and [type(item) for item in pair] == [str, str]]
    return tuple((key, value) for key, value in usable) if len(usable) == len(pairs) else ()


def _capability_args(document: Object) -> dict[str, Any]:
    values = _value(document, "capabilityArgs")
    return usable_capability_args(values) if isinstance(values, dict) else {}


def _result(result: Object | None) -> dict[str, Any] | None:
    try:
        return None if result is None else checked_result(result, "")
    except DocumentError:
        return None


def _begun(document: Object) -> int | None:
    try:
        return document.integer(_BEGUN, least=0) if _BEGUN in document else None
    except DocumentError:
        return None
