"""Images that try to get out of their root when users are looked up or volumes are copied."""

from __future__ import annotations

import asyncio
import os

import pytest

from cri_shim.errors import InvalidArgumentError
from cri_shim.images.image_files import ImageFiles
from cri_shim.kernel.linux import LinuxKernel
from lab.images import OCI_LAYER_GZIP, Tree, build_image, push
from tests.integration.images.conftest import NAMES

pytestmark = pytest.mark.root


@pytest.fixture
def outside(tmp_path):
    """A directory of the machine that no image may reach; its path without the leading slash."""
    directory = tmp_path / "outside"
    directory.mkdir()
    (directory / "passwd").write_text("evil:x:0:0::/:/bin/sh\n")
    (directory / "group").write_text("evil:x:0:\n")
    return directory


@pytest.fixture
def pull_layers(parts, registry, tmp_path):
    """Pull an image of these layers; how its files are looked at."""

    mounts = tmp_path / "mounts"
    mounts.mkdir()

    async def pulled(*trees):
        image = build_image(*(tree.layer(OCI_LAYER_GZIP) for tree in trees))
        name = f"hostile{next(NAMES)}:1"
        push(registry.address, name, image)
        await parts.puller.pull(f"{registry.address}/{name}")
        files = ImageFiles(parts.containerd, LinuxKernel(), mounts)

        async def users():
            return await asyncio.wait_for(files.users("overlayfs", image.chain_id), 10)

        async def volume(path, target):
            target.mkdir()
            await asyncio.wait_for(files.copy_out("overlayfs", image.chain_id, {path: target}), 10)
            return sorted(str(entry.relative_to(target)) for entry in target.rglob("*"))

        return users, volume

    return pulled


UP = "../" * 20


async def test_user_files_through_links(pull_layers, outside):
    """Absolute, climbing and chained links end inside the root, where nothing is."""
    for target in (f"{outside}/passwd", f"{UP}{outside}/passwd".replace("//", "/"), "/proc/self/root/etc/passwd"):
        tree = Tree().directory("etc").symlink("etc/passwd", target).symlink("etc/group", f"{outside}/group")
        users, _ = await pull_layers(tree)
        user_files = await users()
        assert (user_files.passwd, user_files.group) == (None, None)


async def test_etc_itself_is_a_link(pull_layers, outside):
    """A directory on the way may be a link, too; one that stays inside is followed."""
    users, _ = await pull_layers(Tree().symlink("etc", str(outside)))
    assert (await users()).passwd is None
    users, _ = await pull_layers(
        Tree().directory("real").file("real/passwd", b"in:x:1:1::/:/\n").symlink("etc", "/real")
    )
    assert (await users()).passwd == b"in:x:1:1::/:/\n"


async def test_links_inside_are_resolved_inside(pull_layers, outside):
    """An absolute link means the image's own file, even where the machine has one of that name."""
    inside = f"{outside}/passwd".lstrip("/")
    tree, path = Tree(), ""
    for part in inside.split("/")[:-1]:
        path = f"{path}{part}"
        tree.directory(path)
        path += "/"
    tree.file(inside, b"in:x:7:7::/:/\n").directory("etc").symlink("etc/passwd", f"{outside}/passwd")
    users, _ = await pull_layers(tree)
    assert (await users()).passwd == b"in:x:7:7::/:/\n"


async def test_upper_layer_replaces_a_directory_by_a_link(pull_layers, outside):
    """What one layer leaves as a directory and the next as a link does not get out, nor is anything written there."""
    users, _ = await pull_layers(
        Tree().directory("etc").file("etc/passwd", b"in:x:1:1::/:/\n"),
        Tree().whiteout("etc"),
        Tree().symlink("etc", str(outside)),
    )
    assert (await users()).passwd is None
    assert sorted(os.listdir(outside)) == ["group", "passwd"]


@pytest.mark.parametrize("way", ["absolute", "climbing", "parent", "chain", "proc"])
async def test_volume_through_links(pull_layers, outside, tmp_path, way):
    """A volume whose path leads out starts empty."""
    tree, volume_path = {
        "absolute": (Tree().symlink("data", str(outside)), "/data"),
        "climbing": (Tree().symlink("data", f"{UP}{str(outside)[1:]}"), "/data"),
        "parent": (Tree().symlink("up", str(outside.parent)), "/up/outside"),
        "chain": (Tree().symlink("a", "b").symlink("b", "/c/x").symlink("c", str(outside.parent)), "/a/../outside"),
        "proc": (Tree().symlink("data", f"/proc/1/root{outside}"), "/data"),
    }[way]
    _, volume = await pull_layers(tree)
    assert await volume(volume_path, tmp_path / "target") == []
    assert await volume(f"{UP}{str(outside)[1:]}", tmp_path / "dots") == []


async def test_links_in_a_volume_are_copied_as_links(pull_layers, outside, tmp_path):
    """What lies in a volume is copied as it is: a link is not followed, neither for reading nor for writing."""
    tree = Tree().directory("data").symlink("data/out", str(outside)).symlink("data/file", f"{outside}/passwd")
    tree.directory("data/sub").file("data/sub/x", b"1")
    _, volume = await pull_layers(tree)
    target = tmp_path / "target"
    assert await volume("/data", target) == ["file", "out", "sub", "sub/x"]
    assert os.readlink(target / "out") == str(outside)
    assert (target / "file").is_symlink()
    assert sorted(os.listdir(outside)) == ["group", "passwd"]


@pytest.mark.parametrize("path", ["/data", "/link", "/data/below", "/pipe"])
async def test_a_volume_that_is_a_file(pull_layers, tmp_path, path):
    """The OCI runtime could mount no directory there, and would say so only when the container starts."""
    _, volume = await pull_layers(Tree().file("data", b"x").symlink("link", "data").fifo("pipe"))
    with pytest.raises(InvalidArgumentError, match="has a file and no directory"):
        await volume(path, tmp_path / "target")


async def test_layer_that_writes_above_its_root(pull_layers, outside):
    """A layer whose entries climb out of the root is refused by containerd, or kept inside; nothing is outside."""
    name = f"{UP}{str(outside)[1:]}/planted"
    try:
        await pull_layers(Tree().file(name, b"x"))
    except Exception as error:
        assert "planted" in str(error) or "break" in str(error) or "invalid" in str(error)
    assert sorted(os.listdir(outside)) == ["group", "passwd"]
