"""Manifests and indexes, offered as what their folder says."""

from __future__ import annotations

import pytest

from containerd_client.distribution.contents import ImageContents
from containerd_client.distribution.values.errors import ManifestError
from containerd_client.distribution.values.manifest import (
    Descriptor,
    Index,
    Manifest,
    candidates,
    gc_labels,
    parse_document,
)
from containerd_client.distribution.values.media_types import OCI_INDEX, OCI_MANIFEST
from containerd_client.distribution.values.platforms import Platform
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.oci.checkpoint_image import is_checkpoint
from tests.hostile.inputs import Input, check_refusal, every

DIGEST = "sha256:" + "d" * 64


@every("image-manifest")
def test_manifest(given: Input) -> None:
    if not given.accepted:
        with pytest.raises(ManifestError) as refused:
            parse_document(given.data, OCI_MANIFEST, DIGEST)
        check_refusal(given, refused.value)
        return
    manifest = parse_document(given.data, OCI_MANIFEST, DIGEST)
    assert isinstance(manifest, Manifest)
    assert len(manifest.layers) == given.expectation["layers"]
    assert len(gc_labels(manifest)) == 1 + len(manifest.layers) + len(manifest.others)
    assert not is_checkpoint(given.data)
    contents = ImageContents(Descriptor(OCI_MANIFEST, DIGEST, 0), manifest, (), b"", (), ())
    assert cri.Image(size=contents.size).size == given.expectation.get("size", contents.size)


@every("image-index")
def test_index(given: Input) -> None:
    host = Platform("linux", "amd64")
    if not given.accepted:
        with pytest.raises(ManifestError) as refused:
            index = parse_document(given.data, OCI_INDEX, DIGEST)
            assert isinstance(index, Index)
            candidates(index, host, DIGEST)
        check_refusal(given, refused.value)
        return
    index = parse_document(given.data, OCI_INDEX, DIGEST)
    assert isinstance(index, Index)
    assert len(candidates(index, host, DIGEST)) == given.expectation["members"]
