"""Snapshots that are file system images: real loop devices, as blockfile and erofs need them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from cri_shim.errors import FailedPreconditionError
from cri_shim.images.image_files import ImageFiles
from cri_shim.kernel import LinuxKernel
from cri_shim.kernel.loop_devices import CONTROL, loop_device
from cri_shim.kernel.mounts import Mount

if TYPE_CHECKING:
    from containerd_client import Containerd

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not Path(CONTROL).exists(), reason="this machine has no loop devices"),
    pytest.mark.skipif(shutil.which("mkfs.ext4", path="/usr/sbin:/sbin:/usr/bin") is None, reason="needs mkfs.ext4"),
]
PASSWD = b"root:x:0:0::/:/bin/sh\n"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A file system image with an /etc/passwd, as a blockfile snapshot is one."""
    tree = tmp_path / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/passwd").write_bytes(PASSWD)
    path = tmp_path / "image"
    path.touch()
    os.truncate(path, 4 << 20)
    path_of_mkfs = shutil.which("mkfs.ext4", path="/usr/sbin:/sbin:/usr/bin") or ""
    subprocess.run([path_of_mkfs, "-q", "-d", tree, path], check=True)
    return path


def bound_to(image: Path) -> list[str]:
    """The loop devices that hold the file."""
    files = Path("/sys/block").glob("loop*/loop/backing_file")
    return [str(file) for file in files if file.read_text().strip() == str(image)]


def image_files(directory: Path, *mounts: Mount) -> ImageFiles:
    """The part that reads /etc/passwd, on a snapshotter whose views are these mounts."""

    class Snapshots:
        async def view(self, _key: str, _parent: str) -> tuple[Mount, ...]:
            return mounts

        async def remove(self, _key: str) -> None:
            return

    client = SimpleNamespace(snapshots=lambda _name: Snapshots())
    return ImageFiles(cast("Containerd", client), LinuxKernel(), directory)


async def test_the_users_of_an_image_in_a_file(image: Path, tmp_path: Path) -> None:
    """They are read, and neither mount nor device stays."""
    files = image_files(tmp_path, Mount("ext4", str(image), ("ro", "loop")))
    assert (await files.users("blockfile", "sha256:1")).passwd == PASSWD
    assert bound_to(image) == []


def test_a_device_goes_by_itself(image: Path) -> None:
    """Two at once are two; what is not mounted is free when the block ends."""
    with loop_device(str(image), read_only=True) as one, loop_device(str(image), read_only=True) as two:
        assert one != two
        assert len(bound_to(image)) == 2
    assert bound_to(image) == []


@pytest.mark.parametrize(
    ("mount", "said"),
    [
        (Mount("nosuchfs", "none", ("ro",)), "no such device"),
        (Mount("overlay", "overlay", ("X-containerd.mkdir.path=/x",)), "X-containerd.mkdir.path"),
        (Mount("format/bind", "{{ x }}", ("loop",)), "mount type 'format/bind'"),
        (Mount("ext4", "/absent", ("ro", "loop")), "No such file"),
    ],
)
async def test_what_cannot_be_mounted_is_refused_in_words(mount: Mount, said: str, tmp_path: Path) -> None:
    """The snapshotter is named, and the code says that the node has to be changed."""
    with pytest.raises(FailedPreconditionError, match=f"snapshotter 'odd': .*{said}"):
        await image_files(tmp_path, mount).users("odd", "sha256:1")
