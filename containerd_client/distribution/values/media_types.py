"""Define the media types of manifests, configurations and layers, by OCI's and Docker's names.

Sources: OCI image spec ``media-types.md``; Docker image manifest version 2, schema 2. The table of layer types only
distinguishes layers from other blobs; unpacking does not need it, because containerd's diff service reads the type.
"""

from __future__ import annotations

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"
LEGACY_CONFIG = "application/octet-stream"
"""The type that old registries give to a configuration."""

INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
CONFIGS = frozenset({OCI_CONFIG, DOCKER_CONFIG})
SCHEMA1 = frozenset({DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED})

ACCEPT = f"{DOCKER_MANIFEST}, {DOCKER_LIST}, {OCI_MANIFEST}, {OCI_INDEX}, */*"

_OCI_LAYER = "application/vnd.oci.image.layer."
_OTHER_LAYERS = frozenset(
    {
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.erofs.layer.v1",
    }
)
"""Any compression or encryption may follow after a plus sign."""


def without_parameters(media_type: str) -> str:
    """Return the type without parameters (``; charset=…``), in lower case."""
    return media_type.partition(";")[0].strip().lower()


def is_layer(media_type: str) -> bool:
    """Return whether containerd treats the type as a file system layer, which it unpacks and does not just store.

    Source: containerd core/images/mediatypes.go.
    """
    return media_type.startswith(_OCI_LAYER) or media_type.partition("+")[0] in _OTHER_LAYERS


def ingest_ref(media_type: str, digest: str) -> str:
    """Return the name of a blob's ingest, the same as in containerd's own clients, so that both share one ingest."""
    if media_type in INDEXES:
        return f"index-{digest}"
    if media_type in MANIFESTS:
        return f"manifest-{digest}"
    if media_type in CONFIGS:
        return f"config-{digest}"
    return f"layer-{digest}" if is_layer(media_type) else f"unknown-{digest}"
