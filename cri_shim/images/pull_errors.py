"""What a failed pull is told to the kubelet as.

The kubelet knows two words: a message with code UNKNOWN that begins with ``RegistryUnavailable`` or with
``SignatureValidationFailed`` becomes a reason of its own in the pod's status (``pkg/kubelet/images``). Its client
strips that code only; any other would hide the word.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from containerd_client.distribution.credentials import strike_out
from containerd_client.distribution.errors import (
    DistributionError,
    InvalidReferenceError,
    NoPlatformError,
    NotInRegistryError,
    RefusedByPolicyError,
    RegistryUnavailableError,
    StalledError,
)
from cri_shim.errors import (
    CriError,
    DeadlineExceededError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
)
from untrusted import encodable, shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

REGISTRY_UNAVAILABLE = "RegistryUnavailable"
SIGNATURE_INVALID = "SignatureValidationFailed"

_KINDS: dict[type[DistributionError], type[CriError]] = {
    InvalidReferenceError: InvalidArgumentError,
    NotInRegistryError: NotFoundError,
    NoPlatformError: NotFoundError,
    StalledError: DeadlineExceededError,
    # All others: what the registry or this node holds has to be mended before a retry helps.
    DistributionError: FailedPreconditionError,
}
LONGEST = 2048
"""Characters of an error's text; several hosts may each have their words in it."""


def cri_error(error: DistributionError, what: str, secrets: Iterable[str] = ()) -> CriError:
    """Return the error to answer with; ``what`` ("pull image X") says what failed."""
    words = shorten(encodable(strike_out(str(error), secrets)), LONGEST)
    if isinstance(error, InvalidReferenceError):
        return InvalidArgumentError(words)
    text = f"{what}: {words}"
    if isinstance(error, RegistryUnavailableError):
        return CriError(f"{REGISTRY_UNAVAILABLE}: {text}")
    if isinstance(error, RefusedByPolicyError):
        return CriError(f"{SIGNATURE_INVALID}: {text}")
    return next(_KINDS[kind] for kind in type(error).__mro__ if kind in _KINDS)(text)


@contextmanager
def as_cri_errors(what: str, secrets: Iterable[str] = ()) -> Iterator[None]:
    """Let a :class:`DistributionError` leave the block as the CRI error that it means, without the secrets."""
    try:
        yield
    except DistributionError as error:
        raise cri_error(error, strike_out(what, secrets), secrets) from error
