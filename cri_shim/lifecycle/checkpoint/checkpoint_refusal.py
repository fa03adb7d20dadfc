"""Refuse to make a container from a checkpoint, with that reason instead of an error about a missing image.

CRI-O accepts the path of an archive, or an image that holds one, in place of the image. containerd's plugin did so for
one release and no longer does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.errors import UnimplementedError

if TYPE_CHECKING:
    from cri_shim.images.store import Image

_CANNOT = "cri-shim writes checkpoints and does not restore them; start the container from its own image"


def refuse_archive(reference: str) -> None:
    """Raise UnimplementedError if ``reference`` is the path of a file, because no image has such a name. Blocks."""
    if reference.startswith("/") and Path(reference).exists():
        raise UnimplementedError(f"image {reference!r} is a file on this node, such as a checkpoint: {_CANNOT}")


def refuse_checkpoint_image(reference: str, image: Image) -> None:
    """Raise UnimplementedError if the image holds a checkpoint."""
    if image.checkpoint:
        raise UnimplementedError(f"image {reference!r} is the checkpoint of a container: {_CANNOT}")
