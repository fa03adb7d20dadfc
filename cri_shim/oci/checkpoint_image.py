"""Whether an image holds a checkpoint of a container instead of a file system to run.

``checkpointctl`` and ``buildah`` put the archive of CheckpointContainer into an image and say so in an annotation of
its manifest: ``org.criu.checkpoint.container.name`` where containerd restores, CRI-O's own name before that.
"""

from __future__ import annotations

import json
from typing import Final

ANNOTATIONS: Final = ("org.criu.checkpoint.container.name", "io.kubernetes.cri-o.annotations.checkpoint.name")


def is_checkpoint(manifest: bytes) -> bool:
    """Tell it from the bytes of a manifest or an index, which were parsed before."""
    if not any(name.encode() in manifest for name in ANNOTATIONS):
        return False
    annotations = json.loads(manifest).get("annotations")
    return isinstance(annotations, dict) and any(name in annotations for name in ANNOTATIONS)
