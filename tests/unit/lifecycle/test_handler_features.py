"""What a runtime says of itself decides what the kubelet may ask of it."""

from __future__ import annotations

import json

import pytest

from cri_shim.handler_features import HandlerFeatures, features_from


def test_recursive_read_only_needs_runtime_and_kernel():
    """Both have to be able: runc lists ``rro``, and the kernel has mount_setattr."""
    answer = json.dumps({"mountOptions": ["ro", "rro"]}).encode()
    assert features_from(answer, (5, 12)) == HandlerFeatures(recursive_read_only_mounts=True)
    assert features_from(answer, (5, 11)) == HandlerFeatures()
    assert features_from(b'{"mountOptions":["ro"]}', (6, 1)) == HandlerFeatures()
    assert features_from(b"{}", (6, 1)) == HandlerFeatures()


@pytest.mark.parametrize("answer", [b"", b"runc: unknown command", b"[]"])
def test_what_is_no_answer(answer):
    """A runtime without the command says something else, which is an error and not a feature."""
    with pytest.raises(ValueError, match=r".+"):
        features_from(answer, (6, 1))
