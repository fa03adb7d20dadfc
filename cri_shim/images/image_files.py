"""Look into an image's root file system: read its users, and copy the content of its volumes.

An image never changes, so its passwd and group are read once and cached by chain id; later containers cost no mount. A
look mounts a read-only view of the image's top layer for as long as it takes. The kernel resolves paths inside that
root (openat2), whatever symbolic links the image holds (CVE-2022-23648).
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections import OrderedDict
from typing import TYPE_CHECKING, TypeVar

import structlog
from msgspec import Struct

from containerd_client import ContainerdError, NotFound
from cri_shim.errors import InvalidArgumentError
from cri_shim.images.copy_tree import copy_tree
from cri_shim.images.mount_refusal import refused_mounts
from cri_shim.kernel.executors import MOUNT, run
from cri_shim.kernel.mounts import mounted_read_only, new_mount_point
from cri_shim.kernel.open_in_root import read_file_in_root
from cri_shim.node_faults import is_node_fault
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from containerd_client import Containerd
    from cri_shim.kernel import Kernel

T = TypeVar("T")
log = structlog.get_logger(__name__)

FILE_LIMIT = 4 << 20
"""The most bytes of /etc/passwd or /etc/group; a larger file is refused, not truncated."""

_CACHE_SIZE = 128


class UserFiles(Struct, frozen=True):
    """``/etc/passwd`` and ``/etc/group`` of an image; None for one that the image does not have."""

    passwd: bytes | None
    group: bytes | None
    problem: str = ""
    """Why one of them cannot be read; empty if both can."""
    special: bool = False
    """One of them is not a regular file, on which OCI runtimes hang or fail for any user, even a numeric one."""


NO_USER_FILES = UserFiles(None, None)
"""For a user that is given by numbers, for which nothing is looked up."""


class ImageFiles:
    """Reads files of unpacked images."""

    def __init__(self, containerd: Containerd, kernel: Kernel, directory: Path) -> None:
        """Set the reader up; ``directory`` is where it mounts images, each on a directory of its own."""
        self._containerd = containerd
        self._kernel = kernel
        self._directory = directory
        self.being_read: set[str] = set()
        """What is mounted at this moment, by the name of its directory, which must not be cleared as a leftover."""
        self._users: OrderedDict[tuple[str, str], UserFiles] = OrderedDict()

    async def users(self, snapshotter: str, chain_id: str, *, needed: bool = True) -> UserFiles:
        """Return the user files of the image whose top snapshot is ``chain_id``.

        Raises ``InvalidArgumentError`` for a file that cannot be read, if the files are ``needed`` or every OCI runtime
        fails on it.
        """
        key = (snapshotter, chain_id)
        known = self._users.get(key)
        if known is None:
            known = await self._inspect(snapshotter, chain_id, self._read_users)
            self._users[key] = known
            if len(self._users) > _CACHE_SIZE:
                self._users.popitem(last=False)
        if known.problem and (needed or known.special):
            raise InvalidArgumentError(known.problem)
        return known

    async def copy_out(self, snapshotter: str, chain_id: str, targets: Mapping[str, Path]) -> None:
        """Copy each path of the image into an empty directory, which stays empty if the image lacks the path."""

        def copy(root: str) -> None:
            for path, target in targets.items():
                self._copy_one(root, path, target)

        await self._inspect(snapshotter, chain_id, copy)

    async def _inspect(self, snapshotter: str, chain_id: str, fn: Callable[[str], T]) -> T:
        snapshots = self._containerd.snapshots(snapshotter)
        key = f"cri-shim-look-{secrets.token_hex(8)}"
        mounts = await snapshots.view(key, chain_id)

        def mounted() -> T:
            with contextlib.ExitStack() as stack:
                root = stack.enter_context(new_mount_point(self._directory / key))
                with refused_mounts(snapshotter, f"image snapshot {chain_id}"):
                    stack.enter_context(mounted_read_only(self._kernel, mounts, root))
                return fn(root)

        self.being_read.add(key)
        try:
            return await run(MOUNT, mounted)
        finally:
            self.being_read.discard(key)
            # Nothing refers to the view, so the garbage collector may remove it at any time. That is fine: it has no
            # files of its own, since what is mounted are the image's layers, which the image keeps. So no request fails
            # because the view stays.
            try:
                await snapshots.remove(key)
            except NotFound:
                pass
            except ContainerdError as error:
                log.warning("image.view_stays", snapshot=key, snapshotter=snapshotter, error=str(error))

    def _read_users(self, root: str) -> UserFiles:
        files: list[bytes | None] = []
        for path in ("/etc/passwd", "/etc/group"):
            try:
                files.append(read_file_in_root(self._kernel, root, path, FILE_LIMIT))
            except OSError as error:
                if is_node_fault(error):
                    raise  # a cached result must hold for as long as the image exists, and this failure is temporary
                problem = f"{path} of the image cannot be read: {error.strerror}; users and groups are looked up in it"
                return UserFiles(None, None, problem, special=error.errno == errno.EINVAL)
        return UserFiles(files[0], files[1])

    def _copy_one(self, root: str, path: str, target: Path) -> None:
        root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            try:
                source_fd = self._kernel.open_in_root(root_fd, path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except FileNotFoundError:
                return
            except NotADirectoryError as error:
                raise InvalidArgumentError(
                    f"the image declares the volume '{escaped(path)}', where it has a file and no directory; "
                    "mount something there, or set ignore_image_defined_volumes"
                ) from error
            except OSError as error:
                if is_node_fault(error):
                    raise
                raise InvalidArgumentError(
                    f"volume '{escaped(path)}' of the image cannot be looked up in it: {error.strerror}"
                ) from error
            try:
                copy_tree(source_fd, target)
            finally:
                os.close(source_fd)
        finally:
            os.close(root_fd)
