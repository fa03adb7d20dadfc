"""What the OCI runtime behind each handler can do, as it says itself (``runc features``), asked once at start.

The kubelet rejects pods that need what a handler does not report, so a runtime that cannot be asked reports nothing.
(OCI runtime-spec features.md; containerd 2.0 asks in the same way)
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from cri_shim.kernel.process import run_program

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cri_shim.config import Config, RuntimeHandler
    from cri_shim.oci.node import NodeFacts

_ASK_SECONDS = 5.0
_RRO = "rro"
_RRO_KERNEL = (5, 12)
"""mount_setattr(2), which a recursive read-only mount is made with."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class HandlerFeatures:
    """What may be asked of a handler's pods."""

    recursive_read_only_mounts: bool = False


async def read_features(config: Config, node: NodeFacts) -> Mapping[str, HandlerFeatures]:
    """The features of every handler, by name."""
    handlers = config.containerd.runtimes
    found = await asyncio.gather(*(_features(handler, node) for handler in handlers.values()))
    return dict(zip(handlers, found, strict=True))


async def _features(handler: RuntimeHandler, node: NodeFacts) -> HandlerFeatures:
    if not handler.runtime_type.startswith("io.containerd.runc."):
        return HandlerFeatures()
    name = handler.options.binary_name or "runc"
    program = shutil.which(name)
    if program is None:
        log.warning("handler.runtime_missing", handler=handler.name, runtime=name)
        return HandlerFeatures()
    try:
        done = await run_program([program, "features"], os.environ, b"", time_limit=_ASK_SECONDS)
        return features_from(done.stdout, node.kernel)
    except (OSError, TimeoutError, ValueError) as error:
        log.info("handler.features_unknown", handler=handler.name, runtime=program, error=str(error))
        return HandlerFeatures()


def features_from(answer: bytes, kernel: tuple[int, int]) -> HandlerFeatures:
    """Read a runtime's answer; raises ValueError when it is none."""
    document = json.loads(answer)
    if not isinstance(document, dict):
        raise ValueError("the answer is not an object")  # noqa: TRY004 - one error to catch
    mount_options = document.get("mountOptions") or []
    return HandlerFeatures(recursive_read_only_mounts=_RRO in mount_options and kernel >= _RRO_KERNEL)
