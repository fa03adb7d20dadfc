"""What a runtime says of itself decides what the kubelet may ask of it."""

from __future__ import annotations

import json

import pytest

from cri_shim.handler_features import HandlerFeatures, features_from, user_namespace_trouble
from tests.unit.oci.facts import node


def test_recursive_read_only_needs_runtime_and_kernel():
    """Both have to be able: runc lists ``rro``, and the kernel has mount_setattr."""
    answer = json.dumps({"mountOptions": ["ro", "rro"]}).encode()
    assert features_from(answer, (5, 12)).recursive_read_only_mounts
    assert not features_from(answer, (5, 11)).recursive_read_only_mounts
    assert not features_from(b'{"mountOptions":["ro"]}', (6, 1)).recursive_read_only_mounts
    assert not features_from(b"{}", (6, 1)).recursive_read_only_mounts


def test_user_namespaces_are_what_the_runtime_says():
    """A runtime that lists the namespace ``user`` can; on the node's network it needs ``rro`` too."""
    able = features_from(b'{"linux":{"namespaces":["pid","user"]}}', (6, 1))
    assert able.user_namespaces
    assert not able.user_namespaces_host_network
    both = features_from(b'{"mountOptions":["rro"],"linux":{"namespaces":["user"]}}', (6, 1))
    assert both.user_namespaces_host_network
    assert not features_from(b'{"mountOptions":["rro"],"linux":{"namespaces":["pid"]}}', (6, 1)).user_namespaces
    assert not features_from(b"{}", (6, 1)).user_namespaces
    assert not HandlerFeatures().user_namespaces


@pytest.mark.parametrize(
    ("kernel", "snapshotter", "allowed", "word"),
    [
        ((5, 18), "overlayfs", True, "5.19"),
        ((6, 1), "native", True, "native"),
        ((6, 1), "overlayfs", False, "max_user_namespaces"),
        ((6, 1), "overlayfs", True, ""),
    ],
)
def test_what_of_the_node_forbids_user_namespaces(kernel, snapshotter, allowed, word):
    """Kernel, snapshotter and sysctl can each rule them out, whatever the runtime says; the reason is named."""
    why_not = user_namespace_trouble(snapshotter, node(kernel=kernel, user_namespaces=allowed))
    assert word in why_not
    assert bool(word) == bool(why_not)


@pytest.mark.parametrize("answer", [b"", b"runc: unknown command", b"[]"])
def test_what_is_no_answer(answer):
    """A runtime without the command says something else, which is an error and not a feature."""
    with pytest.raises(ValueError, match=r".+"):
        features_from(answer, (6, 1))
