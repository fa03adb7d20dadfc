"""Opening inside a root: openat2 and the portable walk must agree, and neither may get out."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from cri_shim.kernel import LinuxKernel, RecordingKernel
from cri_shim.kernel.open_in_root import read_file_in_root

if TYPE_CHECKING:
    from pathlib import Path

KERNELS = [pytest.param(LinuxKernel(), id="openat2"), pytest.param(RecordingKernel(), id="walk")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a secret next to it."""
    (tmp_path / "secret").write_text("out")
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "secret").write_text("in")
    (root / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\n")
    (root / "etc" / "relative").symlink_to("../../../secret")
    (root / "etc" / "absolute").symlink_to("/secret")
    (root / "etc" / "chain").symlink_to("absolute")
    (root / "etc" / "loop").symlink_to("loop")
    (root / "etc" / "real").symlink_to(tmp_path / "secret")
    (root / "up").symlink_to("etc/..")
    os.mkfifo(root / "fifo")
    return root


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("etc/passwd", b"root:x:0:0::/:/bin/sh\n"),
        ("/etc/passwd", b"root:x:0:0::/:/bin/sh\n"),
        ("../../secret", b"in"),
        ("etc/relative", b"in"),
        ("etc/absolute", b"in"),
        ("etc/chain", b"in"),
        ("up/secret", b"in"),
        ("etc/./../etc//passwd", b"root:x:0:0::/:/bin/sh\n"),
        ("etc/real", None),
        ("nothing", None),
        ("secret/below", None),
    ],
)
def test_paths_stay_inside(kernel: LinuxKernel, root: Path, path: str, content: bytes | None) -> None:
    """Links and `..` are resolved as in a chroot; what does not exist inside is None."""
    assert read_file_in_root(kernel, str(root), path, 100) == content


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("path", "code"), [("fifo", errno.EINVAL), ("etc", errno.EINVAL), ("etc/loop", errno.ELOOP)])
def test_what_is_no_file_raises(kernel: LinuxKernel, root: Path, path: str, code: int) -> None:
    """A FIFO does not hang the reader, a directory and a link loop are errors."""
    with pytest.raises(OSError) as caught:
        read_file_in_root(kernel, str(root), path, 100)
    assert caught.value.errno == code


@pytest.mark.parametrize("kernel", KERNELS)
def test_size_limit(kernel: LinuxKernel, root: Path) -> None:
    """A file over the limit is refused, not cut."""
    assert read_file_in_root(kernel, str(root), "secret", 2) == b"in"
    with pytest.raises(OSError, match="larger than 1 bytes"):
        read_file_in_root(kernel, str(root), "secret", 1)


@pytest.mark.parametrize("kernel", KERNELS)
def test_no_descriptor_leaks(kernel: LinuxKernel, root: Path) -> None:
    """Whatever the outcome, as many descriptors are open afterwards as before."""
    before = len(os.listdir("/proc/self/fd"))
    for path in ("etc/passwd", "etc", "etc/loop", "nothing", "fifo", "up/up/up/secret", "secret/below"):
        try:
            read_file_in_root(kernel, str(root), path, 100)
        except OSError:
            pass
    assert len(os.listdir("/proc/self/fd")) == before


def test_openat2_missing_falls_back(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    """Where the kernel or a filter refuses openat2, the walk gives the answer."""
    import ctypes

    from cri_shim.kernel import linux

    def refuse(*_: object) -> int:
        ctypes.set_errno(errno.ENOSYS)
        return -1

    monkeypatch.setattr(linux._libc, "syscall", refuse)
    assert read_file_in_root(LinuxKernel(), str(root), "etc/chain", 100) == b"in"
