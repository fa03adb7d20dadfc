"""What the OCI runtime behind each handler can do, as it says itself (``runc features``), asked once at start.

The kubelet rejects pods that need what a handler does not report, so a runtime that cannot be asked reports nothing.
(OCI runtime-spec features.md; containerd 2.0 asks in the same way)
"""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import TYPE_CHECKING

import structlog
from msgspec import Struct
from msgspec.structs import replace

from cri_shim.kernel.process import run_program
from cri_shim.kernel.user_namespace import unshare_program
from untrusted import parse_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cri_shim.config import Config, RuntimeHandler
    from cri_shim.oci.node import NodeFacts

_ASK_SECONDS = 5.0
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

    @property
    def user_namespaces(self) -> bool:
        """Pods may have a user namespace of their own."""
        return not self.why_no_user_namespaces

    @property
    def user_namespaces_host_network(self) -> bool:
        """They may have one on the node's network too, where /sys has to be made recursively read-only."""
        return self.user_namespaces and self.recursive_read_only_mounts


async def read_features(config: Config, node: NodeFacts) -> Mapping[str, HandlerFeatures]:
    """The features of every handler, by name."""
    handlers, default = config.containerd.runtimes, config.containerd.snapshotter
    found = await asyncio.gather(
        *(_features(handler, handler.snapshotter or default, node) for handler in handlers.values())
    )
    return dict(zip(handlers, found, strict=True))


async def _features(handler: RuntimeHandler, snapshotter: str, node: NodeFacts) -> HandlerFeatures:
    if not handler.runtime_type.startswith("io.containerd.runc."):
        return HandlerFeatures()
    name = handler.options.binary_name or "runc"
    program = shutil.which(name)
    if program is None:
        log.warning("handler.runtime_missing", handler=handler.name, runtime=name)
        return HandlerFeatures()
    try:
        done = await run_program([program, "features"], os.environ, b"", time_limit=_ASK_SECONDS)
        found = features_from(done.stdout, node.kernel)
        trouble = user_namespace_trouble(snapshotter, node)
        return replace(found, why_no_user_namespaces=trouble) if trouble else found
    except (OSError, TimeoutError, ValueError) as error:
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
