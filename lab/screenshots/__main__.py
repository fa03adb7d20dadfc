"""Take all pictures again: ``python -m lab.screenshots`` (``make screenshots``), or only those that are named."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lab.bridge import CHECKOUT
from lab.lab import Lab
from lab.registry import free_port
from lab.screenshots.camera import Camera
from lab.screenshots.pictures import PICTURES
from lab.screenshots.scene import prepare

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

IMAGES = CHECKOUT / "docs" / "images"


async def take(names: Collection[str], folder: Path) -> None:
    """Run a node with pods, and take the pictures of these names."""
    address = f"127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory(prefix="screenshots-") as profile:
        async with Lab("bridge", settings={"http": {"address": address}}) as lab:
            pod = await prepare(lab)
            async with Camera.opened(f"http://{address}", Path(profile)) as camera:
                start = await camera.start_of(pod.id)
                for picture in PICTURES:
                    if picture.name in names:
                        size = await camera.take(picture, folder, start=start, pod=pod.id)
                        print(f"{picture.name}.png  {size / 1000:.0f} kB", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Take the pictures, if this is root and Chromium is there."""
    parser = argparse.ArgumentParser(
        prog="make screenshots", description="Take the pictures of the page in docs again."
    )
    parser.add_argument("names", nargs="*", choices=[*(one.name for one in PICTURES), []], help="default: all")
    parser.add_argument("--to", type=Path, default=IMAGES, help="the folder (default: docs/images)")
    options = parser.parse_args(arguments)
    if os.geteuid() != 0:
        raise SystemExit("run this as root: containers, mounts and network namespaces need it")
    if shutil.which("chromium") is None:
        raise SystemExit("chromium is not installed: `make packages` installs it")
    asyncio.run(take(options.names or [one.name for one in PICTURES], options.to))


if __name__ == "__main__":
    main()
