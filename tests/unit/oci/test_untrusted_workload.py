"""Which handler a pod runs under when its annotation calls it untrusted."""

from __future__ import annotations

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.oci.untrusted_workload import ANNOTATION, handler_name
from cri_shim.state.sandboxes import Sandbox


@pytest.mark.parametrize(
    ("asked", "value", "name"),
    [
        ("", "true", "untrusted"),
        ("untrusted", "true", "untrusted"),
        ("", "false", ""),
        ("kata", "", "kata"),
        ("", "True", ""),  # the plugin compares with the one word
    ],
)
def test_the_annotation_decides(asked, value, name):
    """Only ``true`` does; a pod that the plugin stored with an empty handler is known by it, too."""
    annotations = {ANNOTATION: value} if value else {}
    assert handler_name(asked, annotations) == name
    config = cri.PodSandboxConfig(annotations=annotations)
    sandbox = Sandbox(id="a", name="n", config=config, created_at=1, runtime_handler=asked)
    assert sandbox.handler_name == name
    assert sandbox.to_cri().runtime_handler == asked
