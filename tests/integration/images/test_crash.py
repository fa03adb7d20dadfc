"""kill -9 in the middle of a pull, at many moments: whatever the collector does then, the next pull finds sense."""

from __future__ import annotations

import asyncio
import os
import random
import sys

import pytest

from containerd_client.distribution.contents import missing_layers, read_contents
from containerd_client.distribution.values.manifest import Descriptor
from lab.images import OCI_LAYER_GZIP, Tree, build_image, push
from tests.fakes.registry import FaultyRegistry
from tests.integration.images.conftest import NAMES, parts_of

pytestmark = pytest.mark.root

CHILD = """
import asyncio, sys
from containerd_client import Containerd
from cri_shim.images.puller import ImagePuller
from cri_shim.images.store import ImageStore
import aiohttp

async def main(address, namespace, reference):
    async with Containerd(address, namespace=namespace) as client:
        await client.version.get()
        puller = ImagePuller(client, ImageStore(client))
        print("go", flush=True)
        await puller.pull(reference)
        print("done", flush=True)
        await asyncio.sleep(60)

asyncio.run(main(*sys.argv[1:]))
"""


def image_of(size: int = 300_000, layers: int = 4):
    return build_image(*(Tree().file(f"f{n}", os.urandom(size)).layer(OCI_LAYER_GZIP) for n in range(layers)))


async def pull_and_die(parts, reference, seconds):
    """Let another process pull, and kill it so many seconds after it began; whether it was done by then."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CHILD, parts.daemon.address, parts.namespace, reference),
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    assert (await child.stdout.readline()).strip() == b"go"
    await asyncio.sleep(seconds)
    child.kill()
    await child.wait()
    return b"done" in await child.stdout.read()


async def whole(parts):
    """Every record that is there has everything it needs."""
    for record in await parts.containerd.images.list():
        contents = await read_contents(parts.containerd, Descriptor.of(record.target), parts.images.platform)
        assert await missing_layers(parts.containerd, contents) == ()
        assert await parts.images.unpacker.present("overlayfs", contents.chain_id)


@pytest.mark.parametrize("seconds", [round(0.012 * n, 3) for n in range(14)])
async def test_killed_at_any_moment(containerd, registry, seconds):
    """After the crash and the next start: a whole image or nothing at all, and the image can be pulled again."""
    image = image_of()
    name = f"crash{next(NAMES)}:1"
    push(registry.address, name, image)
    async with parts_of(containerd, f"test-crash-{next(NAMES)}") as parts:
        await pull_and_die(parts, f"{registry.address}/{name}", seconds * random.uniform(0.9, 1.1))
        await parts.collect()  # containerd may collect before the daemon is back
        await whole(parts)
        await parts.puller.forget_leases()
        await parts.images.load_all()
        left = await parts.left()
        assert {"leases", "ingests"}.isdisjoint(left)
        if "images" not in left:
            assert left == {}
        await whole(parts)
        assert (await parts.puller.pull(f"{registry.address}/{name}")).id == image.id
        await whole(parts)
        left = await parts.left()
        assert {kind: len(names) for kind, names in left.items()} == {"images": 3, "content": 6, "snapshots": 4}


async def test_killed_while_bytes_come(containerd):
    """Half a layer of a dead daemon is held by its lease, and gone after the next start; so is what was unpacked."""
    image = image_of(layers=3)
    async with parts_of(containerd, f"test-crash-{next(NAMES)}") as parts:
        with FaultyRegistry({"half:1": image}, stalls={image.layers[2].digest: 5}) as faulty:
            assert not await pull_and_die(parts, f"{faulty.address}/half:1", 1.0)
            left = await parts.left()
            assert len(left["leases"]) == 1
            assert len(left["snapshots"]) == 2
            await parts.puller.forget_leases()
            async with asyncio.timeout(60):
                while await parts.left() != {}:
                    await asyncio.sleep(0.1)
