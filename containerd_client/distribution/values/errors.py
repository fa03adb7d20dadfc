"""Define the errors that can occur between a registry and the content store.

None of these comes from containerd; those are in :mod:`containerd_client.errors`. A caller that is itself a server maps
each class to its own kind of error; the message may be shown unchanged.
"""

from __future__ import annotations


class DistributionError(Exception):
    """Base class of all errors of this package."""


class InvalidReferenceError(DistributionError):
    """The text is not an image reference."""


class HostsConfigError(DistributionError):
    """A hosts.toml cannot be read or contains an invalid setting."""


class ProxyConfigError(DistributionError):
    """The environment names a proxy that cannot be used."""


class NotInRegistryError(DistributionError):
    """Every host that was asked answered that it does not have the manifest or blob."""


class UnauthorizedError(DistributionError):
    """A registry requires a login that we do not have, or rejects the one that we sent."""


class RegistryUnavailableError(DistributionError):
    """No host could be reached, or those that were reached kept failing."""


class StalledError(DistributionError):
    """No byte arrived for the whole progress timeout."""


class ManifestError(DistributionError):
    """A manifest, index or image configuration is malformed."""


class NoPlatformError(ManifestError):
    """The image exists, but not for this machine."""


class NotAnImageError(ManifestError):
    """The reference names another kind of OCI artifact, such as a chart or a signature."""


class RefusedByPolicyError(DistributionError):
    """A program of this node that verifies every pull rejected the image, or the program could not be run."""


class CorruptBlobError(DistributionError):
    """The bytes received have another size or digest than the manifest promised."""


class OtherLengthError(CorruptBlobError):
    """A host announces another length of a blob than the manifest promised; none of its bytes were used."""


class ExtractionError(DistributionError):
    """containerd cannot extract a layer: its archive is damaged, or the file system does not accept a file."""


class IncompleteImageError(DistributionError):
    """An image record exists in containerd, but blobs that it needs are missing."""


class TransferError(RegistryUnavailableError):
    """A transfer broke or could not begin; the same request may succeed later, after ``wait`` seconds if known."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


class NotHttpError(TransferError):
    """A server's answer is not valid HTTP."""
