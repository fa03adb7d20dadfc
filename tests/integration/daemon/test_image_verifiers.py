"""The node's image verifiers, asked by the whole daemon with the configuration that it was started with."""

from __future__ import annotations

import asyncio

import grpc

from lab.bridge import merged
from lab.cri_client import failure
from lab.images import OCI_LAYER_PLAIN, Tree, build_image, push


async def test_a_verifier_that_says_no(lab, tmp_path):
    """The image is not pulled and the client hears the verifier's words; when it says yes the image is pulled."""
    push(lab.images.address, "asked:1", build_image(Tree().file("a", b"asked").layer(OCI_LAYER_PLAIN)))
    image = {"image": f"{lab.images.address}/asked:1"}
    (tmp_path / "bin").mkdir()
    verifier = tmp_path / "bin" / "10-policy"
    verifier.write_text("#!/bin/sh\necho not signed by us\nexit 1\n")
    verifier.chmod(0o755)
    before = lab.bridge.settings
    lab.bridge.settings = merged(before, {"image": {"verifier": {"bin_dir": str(tmp_path / "bin")}}})
    try:
        await asyncio.to_thread(lab.bridge.restart)
        code, said = await failure(lab.client.PullImage(image=image))
        assert code == grpc.StatusCode.UNKNOWN  # the kubelet looks at the first word only with this code
        assert said.startswith("SignatureValidationFailed")
        assert "not signed by us" in said
        assert not (await lab.client.ImageStatus(image=image)).HasField("image")
        verifier.write_text("#!/bin/sh\n")
        await lab.client.PullImage(image=image)
        await lab.client.RemoveImage(image=image)
    finally:
        lab.bridge.settings = before
        await asyncio.to_thread(lab.bridge.restart)
