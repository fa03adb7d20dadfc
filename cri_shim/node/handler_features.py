"""What the OCI runtime behind each handler can do, as it says itself (``runc features``), asked at start.

The kubelet rejects pods that need what a handler does not report, so a runtime that cannot be asked reports nothing.
One that did not answer in time holds the start up for two seconds, and is asked again. (OCI runtime-spec features.md;
containerd 2.0 asks in the same way)
"""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import TYPE_CHECKING

import structlog
from msgspec import Struct
from msgspec.structs import replace

from cri_shim.concurrency.pauses import ending_with_last
from cri_shim.kernel.process import run_program
from cri_shim.kernel.user_namespace import unshare_program
from untrusted import parse_object

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from cri_shim.config import Config, RuntimeHandler
    from cri_shim.oci.node_facts import NodeFacts

_FIRST_SECONDS = 2.0
"""How long a start waits for the answer."""
_ASK_SECONDS = 10.0
"""How long a runtime that is asked again may take."""
ASK_AGAIN = (1.0, 5.0, 30.0, 120.0)
"""Seconds before it is asked again; the last one holds from then on."""
_RRO = "rro"
_RRO_KERNEL = (5, 12)
"""mount_setattr(2), which a recursive read-only mount is made with."""

_USER = "user"
_USERNS_KERNEL = (5, 19)
"""overlayfs takes image layers that are mounted with mapped ids."""
_USERNS_SNAPSHOTTER = "overlayfs"

log = structlog.get_logger(__name__)


class HandlerFeatures(Struct, frozen=True):
    """What may be asked of a handler's pods."""

    recursive_read_only_mounts: bool = False
    why_no_user_namespaces: str = "its runtime does not say what it can do"
    """Empty where pods may have a user namespace of their own."""
    unanswered: bool = False
    """Its runtime did not answer in time: what it can do is not known."""

    @property
    def user_namespaces(self) -> bool:
        """Pods may have a user namespace of their own."""
        return not self.why_no_user_namespaces

    @property
    def user_namespaces_host_network(self) -> bool:
        """They may have one on the node's network too, where /sys has to be made recursively read-only."""
        return self.user_namespaces and self.recursive_read_only_mounts


async def read_features(config: Config, node: NodeFacts) -> dict[str, HandlerFeatures]:
    """The features of every handler, by name."""
    handlers = config.containerd.runtimes
    found = await asyncio.gather(
        *(_features(config, handler, node, seconds=_FIRST_SECONDS) for handler in handlers.values())
    )
    return dict(zip(handlers, found, strict=True))


async def read_unanswered(features: MutableMapping[str, HandlerFeatures], config: Config, node: NodeFacts) -> None:
    """Ask the runtimes that did not answer again, with growing pauses, until all have; ``features`` is completed."""
    pauses = ending_with_last(ASK_AGAIN)
    while left := [name for name, known in features.items() if known.unanswered]:
        await asyncio.sleep(next(pauses))
        for name in left:
            features[name] = await _features(config, config.containerd.runtimes[name], node, seconds=_ASK_SECONDS)


async def _features(config: Config, handler: RuntimeHandler, node: NodeFacts, *, seconds: float) -> HandlerFeatures:
    if not handler.runtime_type.startswith("io.containerd.runc."):
        return HandlerFeatures()
    name = handler.options.binary_name or "runc"
    program = shutil.which(name)
    if program is None:
        log.warning("handler.runtime_missing", handler=handler.name, runtime=name)
        return HandlerFeatures()
    try:
        done = await run_program([program, "features"], os.environ, b"", time_limit=seconds)
        found = features_from(done.stdout, node.kernel)
        trouble = user_namespace_trouble(handler.snapshotter or config.containerd.snapshotter, node)
        return replace(found, why_no_user_namespaces=trouble) if trouble else found
    except TimeoutError as error:
        log.warning("handler.features_unanswered", handler=handler.name, runtime=program, error=str(error))
        return HandlerFeatures(why_no_user_namespaces=f"its runtime did not answer: {error}", unanswered=True)
    except (OSError, ValueError) as error:
        log.info("handler.features_unknown", handler=handler.name, runtime=program, error=str(error))
        return HandlerFeatures()


def features_from(answer: bytes, kernel: tuple[int, int]) -> HandlerFeatures:
    """Read a runtime's answer; raises ValueError when it is none."""
    document = parse_object(answer)
    linux = document.object("linux")
    mount_options = document.texts("mountOptions")
    namespaces = () if linux is None else linux.texts("namespaces")
    return HandlerFeatures(
        recursive_read_only_mounts=_RRO in mount_options and kernel >= _RRO_KERNEL,
        why_no_user_namespaces="" if _USER in namespaces else "its runtime does not know user namespaces",
    )


def user_namespace_trouble(snapshotter: str, node: NodeFacts) -> str:
    """What of this node stands in the way of user namespaces, whatever the runtime can do; empty for nothing."""
    if node.kernel < _USERNS_KERNEL:
        return "root file systems with mapped ids need Linux 5.19 or later"
    if snapshotter != _USERNS_SNAPSHOTTER:
        return f"root file systems with mapped ids need the snapshotter {_USERNS_SNAPSHOTTER}, it has {snapshotter}"
    if not node.user_namespaces:
        return "this node allows no user namespaces (sysctl user.max_user_namespaces)"
    if unshare_program() is None:
        return "the program unshare of util-linux is missing"
    return ""
