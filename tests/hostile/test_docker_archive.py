"""The manifest.json of ``docker save``, in an archive that holds a configuration ``c.json`` and no layer."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, cast

import pytest

from containerd_client.distribution.archive import read_archive
from containerd_client.distribution.errors import ManifestError
from tests.hostile.inputs import Input, check_refusal, every

if TYPE_CHECKING:
    from containerd_client import Containerd


class Store:
    """Takes every blob."""

    def __init__(self) -> None:
        self.content = self

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
    client = cast("Containerd", Store())
    if not given.accepted:
        with pytest.raises(ManifestError) as refused:
            await read_archive(client, archive(given.data))
        check_refusal(given, refused.value)
        return
    (image,) = await read_archive(client, archive(given.data))
    assert [str(name) for name in image.names] == given.expect["names"]
