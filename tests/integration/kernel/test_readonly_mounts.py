"""Temporary read-only views of snapshots, on real overlay and bind mounts."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from cri_shim.kernel import LinuxKernel
from cri_shim.kernel.mountinfo import mount_of, mounts_under, read_mountinfo
from cri_shim.kernel.mounts import Mount, mount_one, mounted_read_only
from cri_shim.kernel.open_in_root import read_file_in_root
from cri_shim.kernel.protocol import OVERLAYFS_MAGIC

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]
KERNEL = LinuxKernel()


def layers(directory: Path, count: int) -> list[str]:
    """Directories with one own file each, and one file that all of them have."""
    for number in range(count):
        layer = directory / "snapshots" / str(number) / "fs"
        layer.mkdir(parents=True)
        (layer / f"own{number}").write_text(str(number))
        (layer / "common").write_text(str(number))
    return [str(directory / "snapshots" / str(number) / "fs") for number in range(count)]


def assert_gone(directory: Path) -> None:
    assert mounts_under(str(directory), read_mountinfo()) == []


@pytest.fixture
def root(tmp_path: Path) -> str:
    """An empty directory to mount on."""
    (tmp_path / "root").mkdir()
    return str(tmp_path / "root")


def test_overlay_with_an_upper_layer(tmp_path: Path, root: str) -> None:
    """The upper layer is seen on top, nothing can be written, and nothing is left."""
    upper, *lower = layers(tmp_path, 3)
    mount = Mount("overlay", "overlay", ("workdir=/nowhere", f"upperdir={upper}", f"lowerdir={':'.join(lower)}"))
    with mounted_read_only(KERNEL, [mount], root):
        assert KERNEL.filesystem_type(root) == OVERLAYFS_MAGIC
        assert read_file_in_root(KERNEL, root, "/common", 10) == b"0"
        assert read_file_in_root(KERNEL, root, "/own2", 10) == b"2"
        with pytest.raises(OSError, match="ead-only") as caught:
            open(f"{root}/new", "x")
        assert caught.value.errno == errno.EROFS
    assert_gone(tmp_path)


def test_more_layers_than_fit_into_a_page(tmp_path: Path, root: str) -> None:
    """A hundred layers with long paths are mounted all the same, and the working directory stays ours."""
    deep = tmp_path / ("x" * 60)
    paths = layers(deep, 100)
    assert sum(map(len, paths)) > 4096
    here = os.getcwd()
    with mounted_read_only(KERNEL, [Mount("overlay", "overlay", (f"lowerdir={':'.join(paths)}",))], root):
        assert os.getcwd() == here
        assert read_file_in_root(KERNEL, root, "common", 10) == b"0"
        assert read_file_in_root(KERNEL, root, "own99", 10) == b"99"
    assert_gone(tmp_path)


def test_bind_view_is_read_only(tmp_path: Path, root: str) -> None:
    """A bind mount that containerd gives as rw cannot be written through the view."""
    [layer] = layers(tmp_path, 1)
    with mounted_read_only(KERNEL, [Mount("bind", layer, ("rw", "rbind"))], root):
        assert read_file_in_root(KERNEL, root, "own0", 10) == b"0"
        with pytest.raises(OSError, match="ead-only"):
            open(f"{root}/new", "x")
    with open(f"{layer}/new", "x"):
        pass
    assert_gone(tmp_path)


def test_failing_mount_leaves_nothing(tmp_path: Path, root: str) -> None:
    """A file system that does not exist raises, naming the target."""
    with (
        pytest.raises(OSError, match="mount nosuchfs") as caught,
        mounted_read_only(KERNEL, [Mount("nosuchfs", "x")], root),
    ):
        pytest.fail("was mounted")
    assert caught.value.errno == errno.ENODEV
    assert_gone(tmp_path)


def test_propagation_and_flags_arrive(tmp_path: Path) -> None:
    """Flags and propagation of a bind mount are what mountinfo then shows."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    target = str(tmp_path / "b")
    mount_one(KERNEL, Mount("bind", str(tmp_path / "a"), ("rbind", "ro", "nosuid", "noexec", "rshared")), target)
    try:
        mount = mount_of(target, read_mountinfo())
        assert mount.kind == "shared"
        assert {"ro", "nosuid", "noexec"} <= set(mount.options)
    finally:
        KERNEL.umount(target)
    with pytest.raises(OSError, match="unmount") as caught:
        KERNEL.umount(target)
    assert caught.value.errno == errno.EINVAL
