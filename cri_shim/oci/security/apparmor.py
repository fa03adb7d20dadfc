"""Choose the AppArmor profile of a process.

Source: CRI ``SecurityProfile`` and the older ``apparmor_profile``. As in the plugin, a requested profile that cannot be
applied is an error, and without a request the default profile is used where it exists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import FailedPreconditionError
from cri_shim.oci.security.profile import LOCALHOST_PREFIX, checked, named_profile

if TYPE_CHECKING:
    from collections.abc import Container

DEFAULT_PROFILE = "cri-containerd.apparmor.d"
"""The name under which containerd's plugin loads its default profile, and under which tools expect it."""


def takes_default(security: cri.LinuxContainerSecurityContext) -> bool:
    """Return whether a container gets the default profile on a node that has AppArmor and that profile."""
    requested = _requested_profile(security)
    return not security.privileged and (
        requested is None or requested.profile_type == cri.SecurityProfile.RuntimeDefault
    )


def apparmor_profile(
    security: cri.LinuxContainerSecurityContext, *, available: bool, loaded: Container[str]
) -> str | None:
    """Return ``process.apparmorProfile``, or None to run unconfined.

    ``loaded`` are the profiles in the kernel. Without a request the default profile is used if it is loaded.
    Raises FailedPreconditionError for a requested profile on a node without AppArmor or without that profile.
    """
    requested = _requested_profile(security)
    if requested is not None and checked(requested, "apparmor").profile_type == cri.SecurityProfile.Unconfined:
        return None
    if not available:
        if requested is None:
            return None
        raise FailedPreconditionError("an AppArmor profile is requested, but AppArmor is not available on this node")
    if requested is not None and requested.profile_type == cri.SecurityProfile.Localhost:
        name = requested.localhost_ref.removeprefix(LOCALHOST_PREFIX)
        if name not in loaded:
            raise FailedPreconditionError(f"AppArmor profile {name!r} is not loaded on this node")
        return name
    if security.privileged:
        return None
    if DEFAULT_PROFILE in loaded:
        return DEFAULT_PROFILE
    if requested is None:
        return None
    raise FailedPreconditionError(
        f"the default AppArmor profile {DEFAULT_PROFILE!r} is not loaded on this node, "
        "and there is no apparmor_parser that could load it"
    )


def _requested_profile(security: cri.LinuxContainerSecurityContext) -> cri.SecurityProfile | None:
    return security.apparmor if security.HasField("apparmor") else named_profile(security.apparmor_profile)
