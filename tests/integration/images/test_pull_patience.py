"""Pulls that are slow, or told to wait, or get nowhere: who is waited for, and for how long."""

from __future__ import annotations

import asyncio
import os

import pytest

from cri_shim.errors import CriError, DeadlineExceededError
from lab.images import OCI_LAYER_PLAIN, Tree, build_image
from tests.fakes.registry import FaultyRegistry
from tests.integration.images.conftest import parts_of

pytestmark = pytest.mark.root


def image_of(size: int, layers: int = 1):
    """An image of random layers, which no other test has."""
    return build_image(*(Tree().file(f"f{n}", os.urandom(size)).layer(OCI_LAYER_PLAIN) for n in range(layers)))


async def until(condition, seconds: float = 5):
    """Wait until a condition holds; fail when it does not in time."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_registry_that_is_away_for_a_while(parts):
    """Once bytes have come, a registry that cannot give more for some seconds is waited for, and goes on from there."""
    image = image_of(3_000_000)
    layer = image.layers[0].digest
    with FaultyRegistry({"away:1": image}, cuts={layer: [1_500_000]}) as faulty:
        pull = asyncio.create_task(parts.puller.pull(f"{faulty.address}/away:1"))
        await until(lambda: faulty.count(layer))
        faulty.answers |= {f"blobs/{layer}": [(500, {})] * 7}
        assert (await pull).id == image.id
        offsets = [one.offset for one in faulty.asked if layer in one.path]
    assert len(offsets) == 9
    assert offsets[-1] == offsets[1] >= 1_000_000


async def test_a_registry_that_gives_nothing(parts):
    """A registry that never brings a byte of a blob is given up after some attempts, and nothing stays."""
    image = image_of(1_000)
    with FaultyRegistry({"none:1": image}, cuts={image.layers[0].digest: [0] * 20}) as faulty:
        with pytest.raises(CriError, match=r"^RegistryUnavailable: .*given up after 6 attempts"):
            await parts.puller.pull(f"{faulty.address}/none:1")
    assert await parts.left() == {}


async def test_busy_blobs_are_waited_for(parts):
    """429 and 503 in the middle of a pull are waited for as the server asks."""
    image = image_of(10)
    answers = {f"blobs/{image.layers[0].digest}": [(429, {"Retry-After": "0"}), (503, {})]}
    with FaultyRegistry({"busy:1": image}, answers=answers) as faulty:
        assert (await parts.puller.pull(f"{faulty.address}/busy:1")).id == image.id


async def test_no_progress(containerd):
    """A server that falls silent ends the pull after the progress timeout, and nothing stays."""
    image = image_of(100_000)
    layer = image.layers[0].digest
    async with parts_of(containerd, "test-stall", progress_timeout=0.6) as parts:
        with FaultyRegistry({"stall:1": image}, stalls={layer: 2}) as faulty:
            faulty.lies[layer] = image.layers[0].blob
            faulty.cuts[layer] = [0] * 20
            with pytest.raises(DeadlineExceededError, match=rf"blob {layer}: no progress for 0.6 s"):
                await parts.puller.pull(f"{faulty.address}/stall:1")
        assert await parts.left() == {}


async def test_a_byte_now_and_then_is_no_progress(containerd):
    """A server that keeps a connection alive with single bytes is given up too, and nothing stays."""
    image = image_of(100_000)
    layer = image.layers[0].digest
    async with parts_of(containerd, "test-drip", progress_timeout=1) as parts:
        with FaultyRegistry({"drip:1": image}, drip={layer: 0.05}) as faulty:
            with pytest.raises(DeadlineExceededError, match=rf"blob {layer}: no progress for 1 s \(only \d+ bytes"):
                async with asyncio.timeout(4):
                    await parts.puller.pull(f"{faulty.address}/drip:1")
        assert await parts.left() == {}


async def test_a_slow_manifest(containerd):
    """The time limit holds for what comes before the layers, too."""
    image = image_of(10)
    async with parts_of(containerd, "test-slow-manifest", progress_timeout=0.5) as parts:
        with FaultyRegistry({"slow:1": image}, drip={image.digest: 0.1}) as faulty:
            with pytest.raises(DeadlineExceededError, match=rf"image .*/slow:1: no progress .*{image.digest} does not"):
                await parts.puller.pull(f"{faulty.address}/slow:1")
        assert await parts.left() == {}


async def test_a_layer_that_is_never_extracted(containerd, monkeypatch):
    """A containerd that extracts nothing is given up after the time limit; one that is slow but gets on is not."""
    image = image_of(1000)

    async def hangs(*_):
        await asyncio.sleep(60)

    async with parts_of(containerd, "test-unpack", progress_timeout=0.6) as parts:
        monkeypatch.setattr(parts.containerd.diff, "apply", hangs)
        with FaultyRegistry({"hung:1": image}) as faulty:
            layer = image.layers[0].digest
            with pytest.raises(DeadlineExceededError, match=rf"layer {layer}: no progress .*extracts nothing"):
                await parts.puller.pull(f"{faulty.address}/hung:1")
            assert await parts.left() == {}
            sizes = iter(range(100))
            monkeypatch.undo()
            apply = parts.containerd.diff.apply

            async def slowly(*arguments):
                await asyncio.sleep(1.5)
                return await apply(*arguments)

            async def grows(*_):
                return next(sizes), 1

            monkeypatch.setattr(parts.containerd.diff, "apply", slowly)
            monkeypatch.setattr(parts.images.unpacker, "_usage", grows)
            assert (await parts.puller.pull(f"{faulty.address}/hung:1")).id == image.id


async def test_storm_of_429(parts):
    """A registry that turns away most requests for a while gets fewer of them, and gives the image in the end."""
    image = image_of(1000, layers=4)
    turned_away = [(429, {"Retry-After": "0"})] * 4
    storm = {name: [*turned_away] for name in ("manifests", image.id, *(layer.digest for layer in image.layers))}
    with FaultyRegistry({"storm:1": image}, answers=storm) as faulty:
        assert (await parts.puller.pull(f"{faulty.address}/storm:1")).id == image.id


async def test_retry_after_a_day(containerd):
    """Who asks to be left alone for longer than a pull may stand still is believed at once."""
    image = image_of(10)
    answers = {f"blobs/{image.layers[0].digest}": [(429, {"Retry-After": "86400"})] * 9}
    async with parts_of(containerd, "test-day", progress_timeout=30) as parts:
        with FaultyRegistry({"day:1": image}, answers=answers) as faulty:
            with pytest.raises(CriError, match=r"^RegistryUnavailable: .*asks to wait 86400 s"):
                async with asyncio.timeout(5):
                    await parts.puller.pull(f"{faulty.address}/day:1")
        assert await parts.left() == {}


async def test_limit_over_all_images(containerd):
    """Not more blobs than the overall limit are on their way, however many images are pulled."""
    images = {f"many{n}:1": image_of(1000, layers=3) for n in range(3)}
    stalls = {layer.digest: 0.3 for image in images.values() for layer in image.layers}
    async with parts_of(containerd, "test-overall", max_total_downloads=2) as parts:
        with FaultyRegistry(images, stalls=stalls) as faulty:
            pulls = asyncio.gather(*(parts.puller.pull(f"{faulty.address}/{name}") for name in images))
            highest = 0
            while not pulls.done():
                ingests = await parts.containerd.content.list_statuses()
                highest = max(highest, sum(one.ref.startswith("layer-") for one in ingests))
                await asyncio.sleep(0.02)
            assert {image.id for image in await pulls} == {image.id for image in images.values()}
    assert highest == 2
