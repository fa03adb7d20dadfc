"""What the fields of a seccomp profile are, as administrators write it: a part of a runtime spec.

Source: the JSON schema of the OCI runtime spec.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from untrusted.shape import Shape

SECCOMP: Final[Shape] = {
    "defaultAction": "text",
    "defaultErrnoRet": "unsigned",
    "architectures": "texts",
    "flags": "texts",
    "listenerPath": "text",
    "listenerMetadata": "text",
    "syscalls": [
        {
            "names": "texts",
            "action": "text",
            "errnoRet": "unsigned",
            "args": [{"index": "unsigned", "value": "unsigned", "valueTwo": "unsigned", "op": "text"}],
        }
    ],
}
