"""The way from a descriptor to an image: how many indexes it may lead through."""

from __future__ import annotations

import json

import pytest

from containerd_client.distribution.contents import DEEPEST, walk
from containerd_client.distribution.values.errors import ManifestError
from containerd_client.distribution.values.manifest import Descriptor
from containerd_client.distribution.values.platforms import Platform
from lab.images import OCI_INDEX, OCI_LAYER_PLAIN, Tree, build_image, digest_of

IMAGE = build_image(Tree().file("x").layer(OCI_LAYER_PLAIN))


@pytest.mark.parametrize("number", [0, 1, DEEPEST, DEEPEST + 1])
async def test_indexes_within_each_other(number):
    """As many as the limit says, and no more."""
    blobs = {IMAGE.id: IMAGE.config}
    data, media_type = IMAGE.manifest, IMAGE.media_type
    for _ in range(number):
        blobs[digest_of(data)] = data
        member = {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}
        media_type = OCI_INDEX
        data = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [member]}).encode()
    blobs[digest_of(data)] = data

    async def get(blob: Descriptor) -> bytes:
        return blobs[blob.digest]

    walked = walk(get, Descriptor(media_type, digest_of(data), len(data)), Platform("linux", "amd64"))
    if number > DEEPEST:
        with pytest.raises(ManifestError, match=f"more than {DEEPEST} deep"):
            await walked
        return
    contents = await walked
    assert contents.id == IMAGE.id
    assert len(contents.documents) == number + 1
