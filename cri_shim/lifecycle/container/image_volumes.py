"""The VOLUMEs that an image declares: directories of the container, filled with what the image has there.

A volume is not made where the request mounts something. (OCI image-spec config.md, ``Volumes``)
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from msgspec import Struct

from cri_shim.errors import InvalidArgumentError
from cri_shim.oci.mounts import clean
from cri_shim.oci.path_checks import path_problem
from untrusted import escaped

if TYPE_CHECKING:
    from pathlib import Path

    from cri_shim.config import Config
    from cri_shim.images.image_files import ImageFiles
    from cri_shim.images.puller import ImagePuller
    from cri_shim.images.store import Image
    from cri_shim.paths import Paths
    from cri_shim.state.containers import Container


class Volume(Struct, frozen=True):
    """A VOLUME of the image over which the request mounts nothing: a directory that belongs to the container."""

    container_path: str
    directory: Path


def volumes_of(config: Config, paths: Paths, container: Container, image: Image) -> list[Volume]:
    """Return the volumes that ``container`` gets, without making them.

    Raises InvalidArgumentError for a volume of the image at which no directory can be mounted.
    """
    if config.runtime.ignore_image_defined_volumes:
        return []
    mounted = {clean(mount.container_path) for mount in container.config.mounts}
    parent = paths.container_root(container.id) / "volumes"
    wanted = [path for path in image.config.volumes if clean(path) not in mounted]
    for path in wanted:
        _check(path)
    return [Volume(path, parent / secrets.token_hex(32)) for path in wanted]


def _check(path: str) -> None:
    problem = path_problem(path) or ("would hide the whole image" if clean(path) == "/" else "")
    if problem:
        raise InvalidArgumentError(
            f"the image declares the volume '{escaped(path)}', which {problem}; "
            "mount something there, or set ignore_image_defined_volumes"
        )


async def fill_volumes(
    puller: ImagePuller, image_files: ImageFiles, snapshotter: str, image: Image, volumes: list[Volume]
) -> None:
    """Copy the image's content into the volumes' empty directories; raises OSError that names what cannot be copied."""
    if volumes:
        await puller.ensure_unpacked(image, snapshotter)
        await image_files.copy_out(
            snapshotter, image.chain_id, {volume.container_path: volume.directory for volume in volumes}
        )
