"""What can go wrong between a registry and the content store.

None of these comes from containerd (those are :mod:`containerd_client.errors`). A caller that serves somebody else
turns each into its own kind of answer; the message is fit to be shown as it is.
"""

from __future__ import annotations


class DistributionError(Exception):
    """Base of all errors of this package."""


class InvalidReferenceError(DistributionError):
    """The text is no image reference."""


class HostsConfigError(DistributionError):
    """A hosts.toml cannot be read or says something that is not understood."""


class ProxyConfigError(DistributionError):
    """The environment names a proxy that cannot be used."""


class NotInRegistryError(DistributionError):
    """Every host that was asked answered that it has no such manifest or blob."""


class UnauthorizedError(DistributionError):
    """A registry wants a login that we do not have, or refuses the one that we sent."""


class RegistryUnavailableError(DistributionError):
    """No host could be reached, or those reached kept failing."""


class StalledError(DistributionError):
    """No byte arrived for the whole progress timeout."""


class ManifestError(DistributionError):
    """A manifest, index or image configuration that is not what it should be."""


class NoPlatformError(ManifestError):
    """The image exists, but not for this machine."""


class NotAnImageError(ManifestError):
    """The reference names something else that registries keep: a chart, a signature, any other OCI artifact."""


class RefusedByPolicyError(DistributionError):
    """A program of this node that is asked before every pull does not want the image here, or could not be asked."""


class CorruptBlobError(DistributionError):
    """The bytes received have another size or digest than the manifest promised."""


class OtherLengthError(CorruptBlobError):
    """A host announces another length of a blob than the manifest promised; no byte of it was taken."""


class ExtractionError(DistributionError):
    """containerd cannot make files of a layer: its archive is damaged, or the file system does not take it."""


class IncompleteImageError(DistributionError):
    """An image record exists in containerd, but blobs that it needs do not."""


class TransferError(RegistryUnavailableError):
    """A transfer that broke or could not begin; the same request may succeed later (``wait``: seconds, if told)."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


class NotHttpError(TransferError):
    """What a server sent is not an HTTP answer that can be read."""
