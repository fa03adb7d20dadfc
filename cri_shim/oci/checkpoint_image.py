"""Recognise an image that contains a checkpoint of a container instead of a file system to run.

``checkpointctl`` and ``buildah`` put the archive of CheckpointContainer into an image and mark it by an annotation of
its manifest: ``org.criu.checkpoint.container.name``, from which containerd restores, or the older name of CRI-O.
"""

from __future__ import annotations

from typing import Final

from untrusted import parse_object

ANNOTATIONS: Final = ("org.criu.checkpoint.container.name", "io.kubernetes.cri-o.annotations.checkpoint.name")


def is_checkpoint(manifest: bytes) -> bool:
    """Return whether the manifest or index is that of a checkpoint; raises DocumentError if it is malformed."""
    if not any(name.encode() in manifest for name in ANNOTATIONS):
        return False
    return not parse_object(manifest).text_map("annotations").keys().isdisjoint(ANNOTATIONS)
