"""Ask the OCI runtime behind each handler at start what it can do (``runc features``).

The kubelet rejects pods that need a feature that their handler does not report, so a runtime that cannot be asked
reports nothing. A runtime that does not answer in time delays the start by two seconds, and is asked again. (OCI
runtime-spec features.md; containerd 2.0 asks in the same way)
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
"""Seconds before each further attempt; the last value repeats."""
_RRO = "rro"
_RRO_KERNEL = (5, 12)
"""The first kernel with mount_setattr(2), which makes a recursive read-only mount."""

_USER = "user"
_USERNS_KERNEL = (5, 19)
"""The first kernel whose overlayfs accepts image layers that are mounted with mapped ids."""
_USERNS_SNAPSHOTTER = "overlayfs"

log = structlog.get_logger(__name__)


class HandlerFeatures(Struct, frozen=True):
    """The features that a handler's pods may use."""

    recursive_read_only_mounts: bool = False
    why_no_user_namespaces: str = "its runtime does not report its features"
    """Empty if pods may have a user namespace of their own."""
    unanswered: bool = False
    """Its runtime did not answer in time, so its features are unknown."""

    @property
    def user_namespaces(self) -> bool:
        """Whether pods may have a user namespace of their own."""
        return not self.why_no_user_namespaces

    @property
    def user_namespaces_host_network(self) -> bool:
        """Whether they may have one on the node's network too, where /sys has to be made recursively read-only."""
        return self.user_namespaces and self.recursive_read_only_mounts


async def read_features(config: Config, node: NodeFacts) -> dict[str, HandlerFeatures]:
    """Return the features of every handler, by name."""
    handlers = config.containerd.runtimes
    results = await asyncio.gather(
        *(_features(config, handler, node, seconds=_FIRST_SECONDS) for handler in handlers.values())
    )
    return dict(zip(handlers, results, strict=True))


async def read_unanswered(features: MutableMapping[str, HandlerFeatures], config: Config, node: NodeFacts) -> None:
    """Ask the runtimes that did not answer again, with growing pauses, until all have; this completes ``features``."""
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
        features = features_from(done.stdout, node.kernel)
        obstacle = user_namespace_obstacle(handler.snapshotter or config.containerd.snapshotter, node)
        return replace(features, why_no_user_namespaces=obstacle) if obstacle else features
    except TimeoutError as error:
        log.warning("handler.features_unanswered", handler=handler.name, runtime=program, error=str(error))
        return HandlerFeatures(why_no_user_namespaces=f"its runtime did not answer: {error}", unanswered=True)
    except (OSError, ValueError) as error:
        log.info("handler.features_unknown", handler=handler.name, runtime=program, error=str(error))
        return HandlerFeatures()


def features_from(answer: bytes, kernel: tuple[int, int]) -> HandlerFeatures:
    """Parse a runtime's answer.

    Raises ``ValueError`` if it is not valid.
    """
    document = parse_object(answer)
    linux = document.object("linux")
    mount_options = document.texts("mountOptions")
    namespaces = () if linux is None else linux.texts("namespaces")
    return HandlerFeatures(
        recursive_read_only_mounts=_RRO in mount_options and kernel >= _RRO_KERNEL,
        why_no_user_namespaces="" if _USER in namespaces else "its runtime does not support user namespaces",
    )


def user_namespace_obstacle(snapshotter: str, node: NodeFacts) -> str:
    """Return why this node cannot have user namespaces, whatever the runtime can do; empty if it can."""
    if node.kernel < _USERNS_KERNEL:
        return "root file systems with mapped ids need Linux 5.19 or later"
    if snapshotter != _USERNS_SNAPSHOTTER:
        return f"root file systems with mapped ids need the snapshotter {_USERNS_SNAPSHOTTER}, it has {snapshotter}"
    if not node.user_namespaces:
        return "this node does not allow user namespaces (sysctl user.max_user_namespaces)"
    if unshare_program() is None:
        return "the program unshare of util-linux is missing"
    return ""
