"""Where mounts with mapped ids are made for a container's start, and what its daemon noted of them before.

They lie at STATE/idmapped/ID and are there only while the OCI runtime makes the container, which takes its own copies.
Which ones a container needs is written beside its FIFOs when it is created, because its spec names these places and not
what belongs there.
"""

from __future__ import annotations

import errno
import json
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.kernel.mounts import unmount_all
from cri_shim.kernel.write_file import write_file
from untrusted import DocumentError, parse_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cri_shim.kernel import Kernel
    from cri_shim.paths import Paths

_NOTE = "idmapped.json"


def idmapped_point(paths: Paths, id_: str, place: str) -> Path:
    """Where ``place`` of the pod or container ``id_`` is mounted."""
    return paths.idmapped() / id_ / place


def note_sources(paths: Paths, container_id: str, sources: Mapping[str, str]) -> None:
    """Keep what has to be mounted, source by place, until the container starts; raises OSError."""
    write_file(paths.container_state(container_id) / _NOTE, json.dumps(dict(sources)).encode())


def noted_sources(paths: Paths, container_id: str) -> dict[str, str]:
    """What :func:`note_sources` kept; nothing for a container that needs none. Raises OSError, also for damage."""
    path = paths.container_state(container_id) / _NOTE
    try:
        noted = parse_object(path.read_bytes())
        return {str(place): str(source) for place, source in noted.plain().items()}
    except FileNotFoundError:
        return {}
    except DocumentError as error:
        raise OSError(errno.EBADMSG, f"not a note of mounts: {error}", str(path)) from error


def mount_idmapped_at(kernel: Kernel, source: str, point: Path, userns: str) -> None:
    """Mount ``source`` with mapped ids on the new mount point ``point``; raises OSError. Blocks, like all of these."""
    for directory in (point.parent.parent, point.parent):
        directory.mkdir(exist_ok=True, mode=0o700)
    if stat.S_ISDIR(Path(source).stat().st_mode):
        point.mkdir(mode=0o700)
    else:
        point.touch(mode=0o600)
    kernel.mount_idmapped(source, str(point), userns)


def unmount_idmapped(kernel: Kernel, paths: Paths, id_: str) -> None:
    """Unmount what is mounted for ``id_`` and remove the mount points; nothing there is fine.

    Never removes recursively: should an unmount fail, somebody's files are below. Raises OSError naming what stays.
    """
    directory = paths.idmapped() / id_
    if not directory.exists():
        return
    for point in sorted(directory.iterdir()):
        unmount_all(kernel, str(point))
        if point.is_dir():
            point.rmdir()
        else:
            point.unlink()
    directory.rmdir()
