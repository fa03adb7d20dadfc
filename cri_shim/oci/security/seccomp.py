"""Choose the system call filter of a process: none, the default one, or one from a file of the node.

Source: CRI ``SecurityProfile`` and the older ``seccomp_profile_path``; OCI runtime spec ``linux.seccomp``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import FailedPreconditionError, InvalidArgumentError
from cri_shim.oci.security import seccomp_default as default
from cri_shim.oci.security.profile import LOCALHOST_PREFIX, checked, named_profile
from cri_shim.oci.security.seccomp_shape import SECCOMP
from untrusted import DocumentError, escaped, parse_object, read_shape

if TYPE_CHECKING:
    from collections.abc import Iterable

Profile: TypeAlias = dict[str, Any]
"""A seccomp profile, or a part of one, as it goes into the runtime spec."""


def wanted_profile(
    security: cri.LinuxContainerSecurityContext | cri.LinuxSandboxSecurityContext, unset_profile: str = ""
) -> cri.SecurityProfile | None:
    """Return the profile that a sandbox or container requests, or None for no filter.

    The message takes precedence over the older string, which takes precedence over ``unset_profile``, the node's
    default for requests without a profile. A privileged process never has a filter.
    """
    if security.privileged:
        return None
    if security.HasField("seccomp"):
        profile: cri.SecurityProfile | None = security.seccomp
    else:
        profile = named_profile(security.seccomp_profile_path) or named_profile(unset_profile)
    if profile is None or checked(profile, "seccomp").profile_type == cri.SecurityProfile.Unconfined:
        return None
    return profile


def localhost_path(profile: cri.SecurityProfile | None) -> str | None:
    """Return the file that must be read for a profile, or None."""
    if profile is None or profile.profile_type != cri.SecurityProfile.Localhost:
        return None
    return profile.localhost_ref.removeprefix(LOCALHOST_PREFIX)


def seccomp_section(
    profile: cri.SecurityProfile | None,
    *,
    available: bool,
    capabilities: Iterable[str],
    machine: str,
    kernel: tuple[int, int],
    localhost: bytes | None,
) -> Profile | None:
    """Return ``linux.seccomp``, or None for no filter.

    ``localhost`` is the content of :func:`localhost_path`. Raises FailedPreconditionError for a filter that this node
    cannot apply, and InvalidArgumentError for a file that is not a profile.
    """
    if profile is None:
        return None
    if not available:
        raise FailedPreconditionError("a seccomp profile is requested, but this kernel has no seccomp")
    path = localhost_path(profile)
    if path is None:
        return default_profile(capabilities, machine, kernel)
    if localhost is None:
        raise FailedPreconditionError(f"seccomp profile {path!r} cannot be read on this node")
    return parse_profile(localhost, path)


def default_profile(capabilities: Iterable[str], machine: str, kernel: tuple[int, int]) -> Profile:
    """Build the default filter for a process with ``capabilities`` on a node of ``machine`` (as uname names it)."""
    held = set(capabilities)
    allowed = set(default.ALWAYS) | set(default.BY_MACHINE.get(machine, ()))
    for capability in held:
        allowed.update(default.BY_CAPABILITY.get(capability, ()))
    if kernel >= (4, 8):
        # Before 4.8 a traced process could change its call after the filter had looked at it.
        allowed.update(("ptrace", "process_vm_readv", "process_vm_writev"))
    syscalls: list[Profile] = [{"names": sorted(allowed), "action": "SCMP_ACT_ALLOW"}]
    # One rule per condition, because several conditions on the same argument in one rule are not supported everywhere.
    syscalls += [
        _when("socket", 0, default.AF_ALG, "SCMP_CMP_LT"),
        *(_when("socket", 0, family, "SCMP_CMP_EQ") for family in range(default.AF_ALG + 1, default.AF_VSOCK)),
        _when("socket", 0, default.AF_VSOCK, "SCMP_CMP_GT"),
    ]
    syscalls += [_when("personality", 0, value, "SCMP_CMP_EQ") for value in default.PERSONALITIES]
    if "CAP_SYS_ADMIN" not in held:
        flags_argument = 1 if machine in {"s390", "s390x"} else 0
        syscalls.append(_when("clone", flags_argument, default.NAMESPACE_FLAGS, "SCMP_CMP_MASKED_EQ", second=0))
        syscalls.append({"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": default.ENOSYS})
    result: Profile = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": default.EPERM,
        "syscalls": syscalls,
    }
    if machine in default.ARCHITECTURES:
        result["architectures"] = list(default.ARCHITECTURES[machine])
    return result


def parse_profile(content: bytes, path: str) -> Profile:
    """Read a profile file: the JSON of ``linux.seccomp``, fields that only other tools know left out.

    It is read by Go's rules, as by the OCI runtime. Raises InvalidArgumentError for any other content, because a filter
    that is empty by accident would silently allow everything.
    """
    shown = f"seccomp profile '{escaped(path)}'"
    try:
        document = parse_object(content)
        if not document.text("defaultAction"):
            raise InvalidArgumentError(f"{shown} has no defaultAction")
        result = read_shape(document, SECCOMP)
    except DocumentError as error:
        raise InvalidArgumentError(f"{shown} cannot be used: {error}") from error
    syscalls = result.setdefault("syscalls", [])
    if not all(entry.get("names") and entry.get("action") for entry in syscalls):
        raise InvalidArgumentError(f"{shown}: each entry of syscalls needs names and an action")
    return result


def _when(name: str, index: int, value: int, operator: str, *, second: int | None = None) -> Profile:
    """Return a rule that allows a call if one of its arguments compares as given."""
    argument: Profile = {"index": index, "value": value, "op": operator}
    if second is not None:
        argument["valueTwo"] = second
    return {"names": [name], "action": "SCMP_ACT_ALLOW", "args": [argument]}
