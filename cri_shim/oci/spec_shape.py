"""Types of the fields of a runtime spec, for specs and parts of specs that administrators write.

Only fields that this daemon reads, and those that decide how a program is confined, are checked; the OCI runtime checks
the rest. Source: the JSON schema of the OCI runtime spec.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cri_shim.oci.security.seccomp_shape import SECCOMP

if TYPE_CHECKING:
    from untrusted.shape import Shape

_CAPABILITIES: Final[Shape] = dict.fromkeys(("bounding", "effective", "inheritable", "permitted", "ambient"), "texts")
_MOUNT: Final[Shape] = {"destination": "text", "type": "text", "source": "text", "options": "texts"}
_HOOK: Final[Shape] = {"path": "text", "args": "texts", "env": "texts", "timeout": "integer"}
_HOOKS: Final = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
_DEVICE_RULE: Final[Shape] = {"allow": "boolean", "type": "text", "major": "integer", "minor": "integer"}

SPEC: Final[Shape] = {
    "ociVersion": "text",
    "hostname": "text",
    "domainname": "text",
    "annotations": "text_map",
    "root": {"path": "text", "readonly": "boolean"},
    "mounts": [_MOUNT],
    "hooks": {name: [_HOOK] for name in _HOOKS},
    "process": {
        "terminal": "boolean",
        "user": {"uid": "unsigned", "gid": "unsigned", "umask": "unsigned", "additionalGids": "integers"},
        "args": "texts",
        "env": "texts",
        "cwd": "text",
        "capabilities": _CAPABILITIES,
        "rlimits": [{"type": "text", "soft": "unsigned", "hard": "unsigned"}],
        "noNewPrivileges": "boolean",
        "apparmorProfile": "text",
        "selinuxLabel": "text",
        "oomScoreAdj": "integer",
    },
    "linux": {
        "namespaces": [{"type": "text", "path": "text"}],
        "devices": [{"path": "text", "type": "text", "major": "integer", "minor": "integer"}],
        "cgroupsPath": "text",
        "resources": {
            "devices": [_DEVICE_RULE | {"access": "text"}],
            "memory": {
                **dict.fromkeys(("limit", "reservation", "swap", "kernel", "kernelTCP"), "integer"),
                "swappiness": "unsigned",
            },
            "cpu": {
                **dict.fromkeys(("shares", "period", "realtimePeriod"), "unsigned"),
                **dict.fromkeys(("quota", "realtimeRuntime"), "integer"),
                "cpus": "text",
                "mems": "text",
            },
            "hugepageLimits": [{"pageSize": "text", "limit": "unsigned"}],
            "unified": "text_map",
            "blockIO": "any",
            "pids": {"limit": "integer"},
        },
        "sysctl": "text_map",
        "seccomp": SECCOMP,
        "rootfsPropagation": "text",
        "maskedPaths": "texts",
        "readonlyPaths": "texts",
        "mountLabel": "text",
        "intelRdt": "any",
        "uidMappings": "any",
        "gidMappings": "any",
    },
}
