"""Pulls of what a registry has under a reference and containerd cannot run."""

from __future__ import annotations

import hashlib
import json

import pytest

from cri_shim.errors import FailedPreconditionError
from tests.integration.images.raw_server import answer

pytestmark = pytest.mark.root


@pytest.mark.parametrize("offered", ["application/vnd.docker.distribution.manifest.v1+prettyjws", "application/json"])
async def test_docker_schema_1(parts, server, offered):
    """An image of ten years ago is refused for what it is, and not taken for one that the registry lacks."""
    old = json.dumps({"schemaVersion": 1, "name": "app", "fsLayers": [], "history": []}).encode()
    digest = f"sha256:{hashlib.sha256(old).hexdigest()}"
    for place in ("1", digest):
        server.answers[f"/v2/app/manifests/{place}"] = answer(
            200, old, Content_Type=offered, Docker_Content_Digest=digest
        )
    with pytest.raises(FailedPreconditionError, match=r"schema 1.*push the image again"):
        await parts.puller.pull(f"{server.address}/app:1")
    assert await parts.left() == {}
