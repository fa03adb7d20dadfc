"""Set kernel parameters in the namespaces of the calling thread.

Parameters of the network, IPC and UTS exist once per namespace, and the files below /proc/sys are those of the opening
thread's namespaces: a thread inside a namespace sets that namespace's parameters. (proc(5); the OCI runtime spec's
``linux.sysctl``)
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


SYSCTLS: Final = "/proc/sys/"


def write_sysctls(values: Mapping[str, str]) -> None:
    """Write each value to its file, by path below :data:`SYSCTLS`; raises ``OSError`` naming the file. Blocks.

    The paths are used unchecked: :mod:`cri_shim.oci.sysctls` ensures that they do not lead elsewhere.
    """
    for path, value in values.items():
        file = f"{SYSCTLS}{path}"
        descriptor = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, value.encode())
        except OSError as error:
            raise OSError(error.errno, f"set to {value!r}: {os.strerror(error.errno or 0).lower()}", file) from error
        finally:
            os.close(descriptor)
