"""Whether an image holds a checkpoint of a container instead of a file system to run.

``checkpointctl`` and ``buildah`` put the archive of CheckpointContainer into an image and say so in an annotation of
its manifest: ``org.criu.checkpoint.container.name`` where containerd restores, CRI-O's own name before that.
"""

from __future__ import annotations

from typing import Final

from untrusted import parse_object

ANNOTATIONS: Final = ("org.criu.checkpoint.container.name", "io.kubernetes.cri-o.annotations.checkpoint.name")


def is_checkpoint(manifest: bytes) -> bool:
    """Tell it from the bytes of a manifest or an index; raises DocumentError for what was not parsed before."""
    if not any(name.encode() in manifest for name in ANNOTATIONS):
        return False
    return not parse_object(manifest).text_map("annotations").keys().isdisjoint(ANNOTATIONS)
