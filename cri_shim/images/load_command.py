"""The command ``cri-shim image load``: open the archive, load it, and print the result."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING

from containerd_client import Containerd, ContainerdError
from containerd_client.distribution.values.errors import DistributionError
from cri_shim.images.load import load_images

if TYPE_CHECKING:
    from typing import IO

    from cri_shim.config.schema import ContainerdSection
    from cri_shim.images.store import Image


def run(config: ContainerdSection, name: str) -> int:
    """Load the archive ``name`` (``-`` is standard input), print a line for each image, and return the exit code."""
    try:
        with contextlib.ExitStack() as stack:
            file = sys.stdin.buffer if name == "-" else stack.enter_context(open(name, "rb"))  # noqa: PTH123 - a pipe too
            images = asyncio.run(_load(config, file))
    except OSError as error:
        return _failed(f"{name}: {error.strerror}")
    except (DistributionError, ContainerdError) as error:
        return _failed(f"{name}: {error}")
    for image in images:
        sys.stdout.write(f"loaded {', '.join(image.repo_tags or image.repo_digests) or '(no name)'} {image.id}\n")
    return 0


async def _load(config: ContainerdSection, file: IO[bytes]) -> tuple[Image, ...]:
    async with Containerd(config.address, namespace=config.namespace) as client:
        return await load_images(client, file, config.snapshotter)


def _failed(text: str) -> int:
    sys.stderr.write(text + "\n")
    return 1
