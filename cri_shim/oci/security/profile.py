"""Read the security profile that a request names, before seccomp or AppArmor interpret it.

CRI has two forms of it: a message with a type, and the older string (``runtime/default``, ``localhost/NAME``, …), which
some clients still send. Source: CRI ``SecurityProfile``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import InvalidArgumentError
from untrusted import escaped

if TYPE_CHECKING:
    from typing import Literal

LOCALHOST_PREFIX = "localhost/"


def named_profile(name: str) -> cri.SecurityProfile | None:
    """Parse the older string form; the empty string means that no profile is requested."""
    if not name:
        return None
    if name in ("runtime/default", "docker/default"):
        return cri.SecurityProfile(profile_type=cri.SecurityProfile.RuntimeDefault)
    if name == "unconfined":
        return cri.SecurityProfile(profile_type=cri.SecurityProfile.Unconfined)
    if not name.startswith(LOCALHOST_PREFIX):
        raise InvalidArgumentError(
            f"unknown security profile '{escaped(name)}'; "
            "it must be runtime/default, docker/default, unconfined or localhost/NAME"
        )
    return cri.SecurityProfile(
        profile_type=cri.SecurityProfile.Localhost, localhost_ref=name.removeprefix(LOCALHOST_PREFIX)
    )


def checked(profile: cri.SecurityProfile, what: Literal["seccomp", "apparmor"]) -> cri.SecurityProfile:
    """Return the profile; raises InvalidArgumentError if it contradicts itself."""
    if profile.profile_type == cri.SecurityProfile.Localhost:
        if not profile.localhost_ref.removeprefix(LOCALHOST_PREFIX):
            raise InvalidArgumentError(f"{what} profile of type Localhost without a localhost_ref")
    elif profile.localhost_ref:
        raise InvalidArgumentError(
            f"{what} profile has localhost_ref '{escaped(profile.localhost_ref)}', "
            "which only the type Localhost may have"
        )
    if profile.profile_type not in cri.SecurityProfile.ProfileType.values():
        raise InvalidArgumentError(f"unknown {what} profile type {profile.profile_type}")
    return profile
