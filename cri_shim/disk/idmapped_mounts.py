"""The places of mounts with mapped ids for a container's start, and the note that says what to mount there.

They are at STATE/idmapped/ID and exist only while the OCI runtime makes the container, which takes copies of its own. A
note beside the container's FIFOs, written when it is created, lists the mounts it needs, because its spec names these
places and not their sources.
"""

from __future__ import annotations

import errno
import json
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.kernel.mounts import remove_mount_point, unmount_all
from cri_shim.kernel.presence import mode_of
from cri_shim.kernel.write_file import write_file
from untrusted import DocumentError, parse_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cri_shim.kernel import Kernel
    from cri_shim.paths import Paths

_NOTE = "idmapped.json"


def idmapped_point(paths: Paths, id_: str, place: str) -> Path:
    """Return where ``place`` of the pod or container ``id_`` is mounted."""
    return paths.idmapped() / id_ / place


def note_sources(paths: Paths, container_id: str, sources: Mapping[str, str]) -> None:
    """Store what has to be mounted, source by place, until the container starts.

    Raises ``OSError``.
    """
    write_file(paths.container_state(container_id) / _NOTE, json.dumps(dict(sources)).encode())


def noted_sources(paths: Paths, container_id: str) -> dict[str, str]:
    """Return what :func:`note_sources` stored; nothing for a container that needs no such mounts.

    Raises ``OSError``, also if the note is damaged.
    """
    path = paths.container_state(container_id) / _NOTE
    try:
        noted = parse_object(path.read_bytes())
        return {str(place): str(source) for place, source in noted.plain().items()}
    except FileNotFoundError:
        return {}
    except DocumentError as error:
        raise OSError(errno.EBADMSG, f"the note of mounts is damaged: {error}", str(path)) from error


def mount_idmapped_at(kernel: Kernel, source: str, point: Path, userns: str) -> None:
    """Mount ``source`` with mapped ids on the new mount point ``point``.

    Blocking, like all functions here. Raises ``OSError``.
    """
    for directory in (point.parent.parent, point.parent):
        directory.mkdir(exist_ok=True, mode=0o700)
    if stat.S_ISDIR(Path(source).stat().st_mode):
        point.mkdir(mode=0o700)
    else:
        point.touch(mode=0o600)
    kernel.mount_idmapped(source, str(point), userns)


def unmount_idmapped(kernel: Kernel, paths: Paths, id_: str) -> None:
    """Unmount what is mounted for ``id_`` and remove the mount points; if nothing is there, that is fine.

    It never removes recursively, because after a failed unmount the files of a volume would be below. Raises
    ``OSError`` naming what stays.
    """
    directory = paths.idmapped() / id_
    if mode_of(directory) is None:
        return
    for point in sorted(directory.iterdir()):
        unmount_all(kernel, str(point))
        remove_mount_point(point)
    directory.rmdir()
