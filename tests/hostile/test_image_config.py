"""Image configurations: what is read for running the image, and what clients are shown of its user."""

from __future__ import annotations

import pytest

from containerd_client.distribution.values.errors import ManifestError
from containerd_client.distribution.values.manifest import parse_rootfs
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.errors import FailedPreconditionError
from cri_shim.oci.image_config import parse_image_config, uid_or_name
from tests.hostile.inputs import Input, check_refusal, every


@every("image-config")
def test_image_configuration(given: Input) -> None:
    if not given.accepted:
        with pytest.raises((ManifestError, FailedPreconditionError)) as refused:
            parse_rootfs(given.data, "sha256:x")
            parse_image_config(given.data)
        check_refusal(given, refused.value)
        return
    parse_rootfs(given.data, "sha256:x")
    config = parse_image_config(given.data)
    uid, name = uid_or_name(config.user)
    shown = cri.Image(username=name)
    if uid is not None:
        shown.uid.value = uid
    shown.SerializeToString()
    for field, value in given.expectation.items():
        if field == "name_length":
            assert len(name) == value
            continue
        parsed = {"uid": uid, "name": name}.get(field) if field in {"uid", "name"} else getattr(config, field)
        assert (list(parsed) if isinstance(parsed, tuple) else parsed) == value
