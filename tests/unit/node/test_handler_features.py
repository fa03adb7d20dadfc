"""What a runtime says of itself decides what the kubelet may ask of it."""

from __future__ import annotations

import asyncio
import json

import pytest

from cri_shim.config.schema import Config, ContainerdSection, RuncOptions, RuntimeHandler
from cri_shim.node import handler_features
from cri_shim.node.handler_features import (
    HandlerFeatures,
    features_from,
    read_features,
    read_unanswered,
    user_namespace_obstacle,
)
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
    reason = user_namespace_obstacle(snapshotter, node(kernel=kernel, user_namespaces=allowed))
    assert word in reason
    assert bool(word) == bool(reason)


@pytest.mark.parametrize("answer", [b"", b"runc: unknown command", b"[]"])
def test_what_is_no_answer(answer):
    """A runtime without the command says something else, which is an error and not a feature."""
    with pytest.raises(ValueError, match=r".+"):
        features_from(answer, (6, 1))


async def test_a_runtime_that_does_not_answer_at_first(tmp_path, monkeypatch):
    """It holds a start up for a moment, can do nothing as far as is known, and is asked again until it answers."""
    program, slow = tmp_path / "runc", tmp_path / "slow"
    slow.touch()
    said = '{"mountOptions":["rro"],"linux":{"namespaces":["user"]}}'
    program.write_text(f"#!/bin/sh\nwhile [ -e {slow} ]; do sleep 0.02; done\necho '{said}'\n")
    program.chmod(0o755)
    monkeypatch.setattr(handler_features, "_FIRST_SECONDS", 0.2)
    monkeypatch.setattr(handler_features, "ASK_AGAIN", (0.01,))
    handler = RuntimeHandler(name="slow", options=RuncOptions(binary_name=str(program)))
    config = Config(containerd=ContainerdSection(runtimes={"slow": handler}))
    facts = node(kernel=(6, 1), user_namespaces=True)
    features = await read_features(config, facts)
    assert features["slow"].unanswered
    assert not features["slow"].recursive_read_only_mounts
    slow.unlink()
    await asyncio.wait_for(read_unanswered(features, config, facts), 20)
    assert features["slow"].recursive_read_only_mounts
