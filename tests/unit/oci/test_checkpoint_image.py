"""Which images hold a checkpoint."""

from __future__ import annotations

import json

import pytest

from cri_shim.oci.checkpoint_image import ANNOTATIONS, is_checkpoint


@pytest.mark.parametrize("name", ANNOTATIONS)
def test_an_annotation_of_the_manifest_says_so(name):
    """Either annotation makes it a checkpoint, whatever its value."""
    assert is_checkpoint(json.dumps({"annotations": {name: "counter"}}).encode())


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        {"annotations": None},
        {"annotations": {"org.opencontainers.image.title": ANNOTATIONS[0]}},
        {"layers": [{"annotations": {ANNOTATIONS[0]: "counter"}}]},
    ],
)
def test_nothing_else_does(manifest):
    """The name as a value, or on a layer, does not."""
    assert not is_checkpoint(json.dumps(manifest).encode())
