"""Write the archive of a checkpoint: its parts, and the move to its place.

The archive is an uncompressed tar whose parts have the names that CRI-O and containerd give them, so that
``checkpointctl`` reads it::

    config.dump       what was checkpointed, when, from which image (JSON)
    spec.dump         the OCI runtime spec
    status.dump       the CRI status
    status            the status file of containerd's plugin
    checkpoint/       criu's images
    dump.log          criu's log            stats-dump   criu's counts
    rootfs-diff.tar   the container's changes to its image's files, as an OCI layer
    container.log     its log so far

Every function here blocks: call it in an executor.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from cri_shim.errors import InternalError, InvalidArgumentError
from cri_shim.kernel.write_file import naming, write_file
from cri_shim.state.stored.go_json import to_go_json
from cri_shim.sync.checkpoint_work import note_unfinished

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Iterator, Mapping

    from cri_shim.api.runtime.v1 import runtime_pb2 as cri

ROOTFS_DIFF: Final = "rootfs-diff.tar"
_CHUNK: Final = 1 << 20
_NEVER: Final = "0001-01-01T00:00:00Z"
"""Go's zero time."""


def check_location(location: str) -> Path:
    """Return ``location`` as a path; raises InvalidArgumentError with the reason if no archive can be written there."""
    path = Path(location)
    if not path.is_absolute() or "\0" in location:
        raise InvalidArgumentError(f"checkpoint location {location!r} is not an absolute path of a file to write")
    if location.endswith("/") or path.is_dir():
        raise InvalidArgumentError(f"checkpoint location {location!r} is a directory; name the file to write")
    if not path.parent.is_dir():
        raise InvalidArgumentError(f"checkpoint location {location!r}: directory {str(path.parent)!r} does not exist")
    return path


def write_descriptions(
    archive: Path,
    status: cri.ContainerStatus,
    *,
    name: str,
    runtime: str,
    spec: Mapping[str, Any],
    status_file: Path,
) -> None:
    """Write everything that is known without criu; a missing log or status file is left out."""
    config = {
        "id": status.id,
        "name": name,
        "rootfsImage": status.image.image,
        "rootfsImageRef": status.image_ref,
        "rootfsImageName": status.image.image,
        "runtime": runtime,
        "createdTime": _go_time(status.created_at),
        "checkpointedTime": _go_time(time.time_ns()),
        "restoredTime": _NEVER,
        "restored": False,
    }
    for file, document in (("config.dump", config), ("spec.dump", spec), ("status.dump", to_go_json(status))):
        write_file(archive / file, json.dumps(document, separators=(",", ":")).encode(), mode=0o600)
    _copy(status_file, archive / "status")
    if status.log_path:
        _copy(Path(status.log_path), archive / "container.log")


def write_archive(work: Path, location: Path, deadline: float | None) -> None:
    """Pack ``work/archive`` and put it at ``location``, completely or not at all, readable only by its owner.

    ``deadline`` is a time of ``time.monotonic``. Raises TimeoutError when it passes, and OSError that names what could
    not be written.
    """
    import tarfile  # noqa: PLC0415 - with the first checkpoint

    temporary = location.with_name(f".{location.name}.{secrets.token_hex(4)}.tmp")
    note_unfinished(work, temporary)  # what removes the work directory then removes the file, too
    with _new(temporary) as out:
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path in sorted((work / "archive").rglob("*")):
                _in_time(deadline)
                tar.add(path, str(path.relative_to(work / "archive")), recursive=False, filter=_of_root)
        out.flush()
        os.fsync(out.fileno())
    _in_time(deadline)
    temporary.replace(location)


def criu_complaint(work: Path) -> str:
    """Return the first error in criu's log, which says more than the runtime does; empty without one."""
    try:
        lines = (work / "archive" / "dump.log").read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line for line in lines if "Error" in line), "")[:500]


@contextmanager
def _new(path: Path) -> Iterator[BinaryIO]:
    """Open a new file; an error of writing into it names it."""
    with naming(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            yield out


def _copy(source: Path, target: Path) -> None:
    """Copy a regular file without following links or waiting for pipes, because others can write where logs are."""
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        # Checked before a file object is made, because that fails for a directory with its own error and leaves it
        # open.
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InternalError(f"{source} is not a regular file and cannot go into a checkpoint")
        with os.fdopen(descriptor, "rb", closefd=False) as data, _new(target) as out:
            while chunk := data.read(_CHUNK):
                out.write(chunk)
    finally:
        os.close(descriptor)


def _of_root(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry if entry.isreg() or entry.isdir() else None


def _in_time(deadline: float | None) -> None:
    if deadline is not None and time.monotonic() > deadline:
        raise TimeoutError


def _go_time(nanoseconds: int) -> str:
    whole = datetime.fromtimestamp(nanoseconds // 10**9, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{nanoseconds % 10**9:09d}Z"
