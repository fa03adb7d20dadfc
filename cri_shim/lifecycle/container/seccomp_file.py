"""Read the seccomp profile that a pod or container has in a file of the node (profile type Localhost)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.errors import FailedPreconditionError
from cri_shim.kernel.executors import FS, run
from cri_shim.kernel.small_file import read_small_file
from cri_shim.node_faults import is_node_fault
from cri_shim.oci.security.seccomp import localhost_path, wanted_profile
from untrusted import escaped

if TYPE_CHECKING:
    from cri_shim.api.runtime.v1 import runtime_pb2 as cri

FILE_LIMIT = 4 << 20
"""Bytes of a seccomp profile."""


async def read_seccomp_profile(
    security: cri.LinuxSandboxSecurityContext | cri.LinuxContainerSecurityContext, unset_profile: str
) -> bytes | None:
    """Return the content of the file that ``security`` names; None when it names none.

    Raises FailedPreconditionError that names the file when it cannot be read.
    """
    path = localhost_path(wanted_profile(security, unset_profile))
    if path is None:
        return None
    try:
        return await run(FS, read_small_file, path, FILE_LIMIT)
    except OSError as error:
        if is_node_fault(error):
            raise
        raise FailedPreconditionError(f"seccomp profile '{escaped(path)}' cannot be read: {error.strerror}") from error
