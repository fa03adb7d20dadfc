"""The archive of a checkpoint: what goes in, what stays out, and that a place has all of it or nothing."""

from __future__ import annotations

import json
import os
import resource
import stat
import tarfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InternalError, InvalidArgumentError
from cri_shim.lifecycle.checkpoint.checkpoint_archive import (
    check_location,
    criu_complaint,
    write_archive,
    write_descriptions,
)
from cri_shim.sync.checkpoint_work import remove_work

if TYPE_CHECKING:
    from collections.abc import Iterator

SECOND = 10**9
SPEC = {"ociVersion": "1.1.0"}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A work directory as it is before anything is written."""
    (tmp_path / "work/archive/checkpoint").mkdir(parents=True)
    return tmp_path / "work"


def describe(work: Path, *, log_path: Path | str = "") -> Path:
    """Write the descriptions of a container and return the directory that they are in."""
    status = cri.ContainerStatus(
        id="c1",
        created_at=1_700_000_000 * SECOND + 5,
        image=cri.ImageSpec(image="docker.io/library/busybox:1"),
        image_ref="sha256:1",
        log_path=str(log_path),
    )
    archive = work / "archive"
    write_descriptions(
        archive, status, name="main_pod", runtime="io.containerd.runc.v2", spec=SPEC, status_file=work / "status"
    )
    return archive


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("relative.tar", "not an absolute path"),
        ("", "not an absolute path"),
        ("/a\0b", "not an absolute path"),
        ("{tmp}/", "is a directory"),
        ("{tmp}", "is a directory"),
        ("{tmp}/new/", "is a directory"),
        ("{tmp}/none/a.tar", "does not exist"),
    ],
)
def test_a_location_that_cannot_be_written(tmp_path: Path, location: str, words: str) -> None:
    """The client learns why before the container stands still."""
    with pytest.raises(InvalidArgumentError, match=words):
        check_location(location.format(tmp=tmp_path))


@pytest.mark.parametrize("there", [True, False])
def test_a_location_that_can_be_written(tmp_path: Path, *, there: bool) -> None:
    """A new file or one to replace, in a directory that is there."""
    if there:
        (tmp_path / "a.tar").touch()
    assert check_location(str(tmp_path / "a.tar")) == tmp_path / "a.tar"


def test_descriptions(work: Path) -> None:
    """Names and times are those that checkpointctl reads, and no file can be read by others."""
    (work / "status").write_text("kept")
    (work / "c.log").write_text("said")
    archive = describe(work, log_path=work / "c.log")
    config = json.loads((archive / "config.dump").read_bytes())
    assert config["createdTime"] == "2023-11-14T22:13:20.000000005Z"
    assert config["restoredTime"] == "0001-01-01T00:00:00Z"
    assert (config["id"], config["name"], config["runtime"]) == ("c1", "main_pod", "io.containerd.runc.v2")
    assert (config["rootfsImage"], config["rootfsImageRef"]) == ("docker.io/library/busybox:1", "sha256:1")
    assert json.loads((archive / "spec.dump").read_bytes()) == SPEC
    assert json.loads((archive / "status.dump").read_bytes())["id"] == "c1"
    assert (archive / "status").read_text() == "kept"
    assert (archive / "container.log").read_text() == "said"
    assert {stat.S_IMODE(path.stat().st_mode) for path in archive.iterdir() if path.is_file()} == {0o600}


@pytest.mark.parametrize("log_path", ["", "{work}/none.log"])
def test_files_that_are_not_there(work: Path, log_path: str) -> None:
    """A container without a log, or without a status file, has a checkpoint all the same."""
    archive = describe(work, log_path=log_path.format(work=work))
    assert not (archive / "status").exists()
    assert not (archive / "container.log").exists()


@pytest.mark.parametrize("kind", ["pipe", "directory"])
def test_a_log_that_is_no_file(work: Path, kind: str) -> None:
    """A pipe is not waited for, the refusal names what lies there, and no descriptor stays open."""
    place = work / "c.log"
    os.mkfifo(place) if kind == "pipe" else place.mkdir()
    with pytest.raises(InternalError, match=r"c\.log is not a regular file"):
        describe(work, log_path=place)
    assert str(place) not in [os.path.realpath(one) for one in Path("/proc/self/fd").iterdir()]


def test_a_log_that_is_a_link(work: Path) -> None:
    """Others can write where logs lie: a link is not followed to a file of the node."""
    (work / "secret").write_text("secret")
    (work / "c.log").symlink_to(work / "secret")
    with pytest.raises(OSError, match=r"c\.log"):
        describe(work, log_path=work / "c.log")
    assert not (work / "archive/container.log").exists()


def test_what_is_in_the_archive(work: Path, tmp_path: Path) -> None:
    """Files and directories of root, and neither links nor pipes, which a reader could be misled by."""
    archive = describe(work)
    (archive / "checkpoint/pages.img").write_bytes(b"memory")
    (archive / "checkpoint/link").symlink_to("/etc/passwd")
    os.mkfifo(archive / "checkpoint/pipe")
    target = tmp_path / "out.tar"
    write_archive(work, target, None)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with tarfile.open(target) as tar:
        assert tar.getnames() == ["checkpoint", "checkpoint/pages.img", "config.dump", "spec.dump", "status.dump"]
        assert {(one.uid, one.gid, one.uname, one.gname) for one in tar} == {(0, 0, "", "")}
        memory = tar.extractfile("checkpoint/pages.img")
        assert memory is not None
        assert memory.read() == b"memory"


def test_an_archive_replaces_another(work: Path, tmp_path: Path) -> None:
    """Nothing is left beside it."""
    describe(work)
    place = tmp_path / "out"
    place.mkdir()
    (place / "a.tar").write_text("older")
    write_archive(work, place / "a.tar", time.monotonic() + 60)
    assert [path.name for path in place.iterdir()] == ["a.tar"]
    assert tarfile.is_tarfile(place / "a.tar")


def test_time_that_is_over(work: Path, tmp_path: Path) -> None:
    """The older archive stays, and the work directory names the unfinished file, so that it goes with it."""
    describe(work)
    place = tmp_path / "out"
    place.mkdir()
    (place / "a.tar").write_text("older")
    with pytest.raises(TimeoutError):
        write_archive(work, place / "a.tar", time.monotonic() - 1)
    assert (place / "a.tar").read_text() == "older"
    (unfinished,) = set(place.iterdir()) - {place / "a.tar"}
    assert (work / "unfinished").read_text() == str(unfinished)


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (None, ""),
        ("", ""),
        ("(00.1) Dumping\n", ""),
        ("(00.1) Dumping\n(00.2) Error (a.c:1): no\n(00.3) Error (b.c:2): more\n", "(00.2) Error (a.c:1): no"),
        ("Error " + "x" * 1000, "Error " + "x" * 494),
    ],
    ids=["no log", "empty", "no error", "two errors", "long"],
)
def test_what_criu_complains_of(work: Path, log: str | None, words: str) -> None:
    """Its first error, shortened; none is needed."""
    if log is not None:
        (work / "archive/dump.log").write_text(log)
    assert criu_complaint(work) == words


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file grow, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_named(work: Path, tmp_path: Path) -> None:
    """The work directory's or that of the archive, which may be on another disk; no note is left half written."""
    with full_disk(), pytest.raises(OSError, match="too large") as caught:
        describe(work)
    assert str(caught.value.filename).startswith(str(work))
    with full_disk(), pytest.raises(OSError, match="too large") as caught:
        write_archive(work, tmp_path / "a.tar", None)
    assert str(caught.value.filename).startswith(str(work))
    assert not (work / "unfinished").exists()
    remove_work(work)
    assert not work.exists()
    assert list(tmp_path.iterdir()) == []
