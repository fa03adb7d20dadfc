"""Archives of images: whole ones, and the manifest.json of ``docker save`` beside a configuration and no layer."""

from __future__ import annotations

import io
import tarfile
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import pytest

from containerd_client.distribution.archive import read_archive
from containerd_client.distribution.values.errors import ManifestError
from tests.hostile.inputs import Input, check_refusal, every

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from containerd_client import Containerd


class Store:
    """Takes every blob, and is the writer of each."""

    exists = False

    def __init__(self) -> None:
        self.content = self

    @asynccontextmanager
    async def writer(self, _ref: str, **_: object) -> AsyncIterator[Store]:
        yield self

    async def truncate(self) -> None:
        return

    async def write(self, _data: bytes) -> None:
        return

    async def commit(self, _size: int, _digest: str) -> None:
        return

    async def abort(self, _ref: str) -> None:
        return

    async def write_blob(self, _ref: str, _data: bytes, _digest: str) -> None:
        return


def archive(manifest: bytes) -> io.BytesIO:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in (("c.json", b"{}"), ("manifest.json", manifest)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    out.seek(0)
    return out


@every("docker-archive")
async def test_docker_archive(given: Input) -> None:
    await check(given, archive(given.data))


@every("image-archive")
async def test_image_archive(given: Input) -> None:
    await check(given, io.BytesIO(given.data))


async def check(given: Input, file: io.BytesIO) -> None:
    client = cast("Containerd", Store())
    if not given.accepted:
        with pytest.raises(ManifestError) as refused:
            await read_archive(client, file)
        check_refusal(given, refused.value)
        return
    (image,) = await read_archive(client, file)
    assert [str(name) for name in image.names] == given.expectation["names"]
