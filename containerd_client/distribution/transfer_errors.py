"""What the Transfer service's words say about registries and verifiers: nearly all of it has the code UNKNOWN.

Sources: containerd core/remotes/errors, core/remotes/docker/{resolver,fetcher,authorizer}.go, core/transfer/local.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from containerd_client.distribution.values.errors import (
    CorruptBlobError,
    DistributionError,
    RefusedByPolicyError,
    RegistryUnavailableError,
    UnauthorizedError,
)
from containerd_client.errors import Unimplemented, Unknown

if TYPE_CHECKING:
    from containerd_client.errors import ContainerdError

_STATUS: Final = re.compile(r"unexpected status (?:code|from [A-Z]+ request to) \S+?:? ([1-5][0-9]{2})(?![0-9])")
_DENIED: Final = "pull access denied"
_BLOCKED: Final = re.compile(r"image verifier \S+ blocked pull of |blocking pull of .*: image verifier ")
_NOT_REACHED: Final = "failed to do request: "
_NOT_AUTHORIZED: Final = "failed to authorize: "
_NO_SERVICE: Final = "unknown service "
_OF_STATUS: Final[dict[str, type[DistributionError]]] = {
    "401": UnauthorizedError,
    "403": UnauthorizedError,
    "416": CorruptBlobError,
}


def cause_of(error: ContainerdError) -> DistributionError | None:
    """Return the error that a registry or a verifier has caused; None if it is about something else."""
    if isinstance(error, Unimplemented):
        # The service says so, too, if the registry sends a manifest with a media type that it does not know.
        absent = _NO_SERVICE in error.detail
        service = "containerd has no Transfer service (it came with 1.7)"
        useless = f"containerd's Transfer service cannot use what the registry sends ({error.detail})"
        return DistributionError(f'{service if absent else useless}; set image.pull to "client"')
    if not isinstance(error, Unknown):
        return None
    if _BLOCKED.search(error.detail):
        return RefusedByPolicyError(error.detail)
    status = _STATUS.search(error.detail)
    if status is not None:
        return _OF_STATUS.get(status[1], RegistryUnavailableError)(error.detail)
    if _DENIED in error.detail:
        return UnauthorizedError(error.detail)
    registry = any(words in error.detail for words in (_NOT_REACHED, _NOT_AUTHORIZED))
    return RegistryUnavailableError(error.detail) if registry else None
