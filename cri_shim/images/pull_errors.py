"""Turn the failure of a pull into the error that the kubelet gets.

The kubelet knows two words: a message with code UNKNOWN that begins with ``RegistryUnavailable`` or with
``SignatureValidationFailed`` becomes a reason of its own in the pod's status (``pkg/kubelet/images``). Its client
strips that code only, and any other would hide the word.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from containerd_client.distribution.registries.credentials import strike_out
from containerd_client.distribution.values.errors import (
    DistributionError,
    ExtractionError,
    InvalidReferenceError,
    NoPlatformError,
    NotInRegistryError,
    RefusedByPolicyError,
    RegistryUnavailableError,
    StalledError,
)
from containerd_client.errors import (
    Cancelled,
    ContainerdError,
    DeadlineExceeded,
    Internal,
    ResourceExhausted,
    Unavailable,
    Unimplemented,
    Unknown,
)
from cri_shim.errors import (
    CriError,
    DeadlineExceededError,
    FailedPreconditionError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    UnavailableError,
    UnimplementedError,
)
from cri_shim.os_errors import node_error_in
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
    # All others: the content of the registry or of this node has to be repaired before a retry helps.
    DistributionError: FailedPreconditionError,
}
_OF_CONTAINERD: dict[type[ContainerdError], type[CriError]] = {
    Unknown: CriError,
    Internal: InternalError,
    Unavailable: UnavailableError,
    Cancelled: UnavailableError,
    DeadlineExceeded: DeadlineExceededError,
    ResourceExhausted: ResourceExhaustedError,
    Unimplemented: UnimplementedError,
    # All others are about a record, blob or snapshot on the way; with their own code, a client would take that for the
    # image.
    ContainerdError: FailedPreconditionError,
}
_ADDRESS = re.compile(r"(https?://)(?:[^\s/?#\"'@]*@)?([^\s?#\"']*)(?:[?#][^\s\"']*)?")
LONGEST = 2048
"""The most characters of an error's text, which may hold the messages of several hosts."""


def cri_error(error: DistributionError, what: str, secrets: Iterable[str] = ()) -> CriError:
    """Return the error to answer with; ``what`` ("pull image X") names what failed."""
    words = shorten(encodable(without_signatures(strike_out(str(error), secrets))), LONGEST)
    if isinstance(error, InvalidReferenceError):
        return InvalidArgumentError(words)
    text = f"{what}: {words}"
    if isinstance(error, ExtractionError):
        full = node_error_in(text)
        return full if full is not None else FailedPreconditionError(text)
    if isinstance(error, RegistryUnavailableError):
        return CriError(f"{REGISTRY_UNAVAILABLE}: {text}")
    if isinstance(error, RefusedByPolicyError):
        return CriError(f"{SIGNATURE_INVALID}: {text}")
    return next(_KINDS[kind] for kind in type(error).__mro__ if kind in _KINDS)(text)


def containerd_error(error: ContainerdError, what: str, secrets: Iterable[str] = ()) -> CriError:
    """Return the error to answer with if containerd refuses a part of a pull."""
    words = shorten(encodable(without_signatures(strike_out(f"containerd: {error}", secrets))), LONGEST)
    full = node_error_in(words) if isinstance(error, Unknown) else None
    if full is not None:
        return type(full)(f"{what}: {full}")
    return next(_OF_CONTAINERD[kind] for kind in type(error).__mro__ if kind in _OF_CONTAINERD)(f"{what}: {words}")


def without_signatures(text: str) -> str:
    """Return the text with its web addresses reduced to what may be shown: without user, query and fragment.

    containerd, if it pulls, shows whole addresses of redirects, and storage signs its links in the query.
    """
    return _ADDRESS.sub(r"\1\2", text)


@contextmanager
def as_cri_errors(what: str, secrets: Iterable[str] = ()) -> Iterator[None]:
    """Turn errors into the CRI errors that they mean, without the secrets; ``what`` names what failed."""
    try:
        yield
    except DistributionError as error:
        raise cri_error(error, strike_out(what, secrets), secrets) from error
    except ContainerdError as error:
        raise containerd_error(error, strike_out(what, secrets), secrets) from error
