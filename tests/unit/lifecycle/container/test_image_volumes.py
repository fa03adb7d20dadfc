"""The VOLUMEs of an image: which a container gets, and what is in them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.config.schema import Config, RuntimeSection
from cri_shim.errors import InvalidArgumentError
from cri_shim.lifecycle.container.image_volumes import Volume, fill_volumes, volumes_of
from cri_shim.paths import Paths
from cri_shim.state.containers import Container, Status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def image(*volumes: str) -> Any:
    """An image that declares volumes."""
    return SimpleNamespace(config=SimpleNamespace(volumes=volumes), chain_id="sha256:c")


def volumes(tmp_path: Path, declared: Any, *mounted: str, ignored: bool = False) -> list[Volume]:
    """The volumes of a container that mounts something at some places."""
    config = cri.ContainerConfig(mounts=[cri.Mount(container_path=path) for path in mounted])
    container = Container("c1", "c1", "p1", config, Status(), "sha256:1")
    settings = Config(runtime=RuntimeSection(ignore_image_defined_volumes=ignored))
    return volumes_of(settings, Paths(tmp_path / "root", tmp_path / "state"), container, declared)


def test_a_place_for_each(tmp_path: Path) -> None:
    """Places are the container's own and not made yet."""
    first, second = volumes(tmp_path, image("/data", "/more"))
    assert (first.container_path, second.container_path) == ("/data", "/more")
    assert first.directory.parent == second.directory.parent == tmp_path / "root/containers/c1/volumes"
    assert first.directory != second.directory
    assert not first.directory.exists()


@pytest.mark.parametrize("path", ["/data", "/data/", "/./data", "data"])
def test_a_place_that_the_request_mounts_over(tmp_path: Path, path: str) -> None:
    """Nothing is made for it, however the path is written."""
    assert not volumes(tmp_path, image("/data"), path)


def test_volumes_that_are_ignored(tmp_path: Path) -> None:
    """The configuration may say so, also of one that no directory can be mounted at."""
    assert not volumes(tmp_path, image("/data", "/"), ignored=True)


@pytest.mark.parametrize(("path", "words"), [("/", "would hide the whole image"), ("/a\0b", "which")])
def test_a_volume_that_cannot_be(tmp_path: Path, path: str, words: str) -> None:
    """The refusal says what to do about an image that cannot be changed."""
    with pytest.raises(InvalidArgumentError, match=words) as refused:
        volumes(tmp_path, image(path))
    assert "ignore_image_defined_volumes" in str(refused.value)


class Files:
    """Notes what is unpacked and copied, in order."""

    def __init__(self) -> None:
        self.steps: list[Any] = []

    async def ensure_unpacked(self, _image: object, snapshotter: str) -> str:
        """Note it."""
        self.steps.append(("unpack", snapshotter))
        return "sha256:c"

    async def copy_out(self, snapshotter: str, chain_id: str, places: Mapping[str, Path]) -> None:
        """Note it."""
        self.steps.append(("copy", snapshotter, chain_id, dict(places)))


async def test_filling(tmp_path: Path) -> None:
    """The image is unpacked first; without volumes nothing is done."""
    files: Any = Files()
    await fill_volumes(files, files, "overlayfs", image(), [])
    assert not files.steps
    await fill_volumes(files, files, "overlayfs", image(), [Volume("/data", tmp_path)])
    assert files.steps == [("unpack", "overlayfs"), ("copy", "overlayfs", "sha256:c", {"/data": tmp_path})]
