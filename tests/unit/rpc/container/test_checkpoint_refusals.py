"""CheckpointContainer: what it needs, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest

from lab.cri_client import failure

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.fake_node import Node

pytestmark = pytest.mark.usefixtures("criu")


@pytest.mark.parametrize(
    "service", [{"containerd": {"runtimes": {"vm": {"runtime_type": "io.containerd.kata.v2"}}}}], indirect=True
)
async def test_what_is_refused(node: Node) -> None:
    """A time limit below zero, a location that is none, a container that does not run, a runtime that cannot."""
    pod_id, config, id_ = await node.kubelet.running_container()
    created = await node.kubelet.create(pod_id, config, attempt=1)
    location = str(node.directory / "c.tar")
    for fields, expected, words in (
        ({"container_id": "nothing"}, "NOT_FOUND", "nothing"),
        ({"timeout": -1}, "INVALID_ARGUMENT", "timeout -1 is negative"),
        ({"location": "c.tar"}, "INVALID_ARGUMENT", "'c.tar' is not an absolute path"),
        ({"location": str(node.directory)}, "INVALID_ARGUMENT", "is a directory; name the file"),
        ({"container_id": created}, "FAILED_PRECONDITION", "is created; only a running container"),
    ):
        status, text = await failure(
            node.client.CheckpointContainer(**{"container_id": id_, "location": location, **fields})
        )
        assert (status.name, words in text) == (expected, True), text
    node.service.sandboxes.update(pod_id, lambda sandbox: sandbox.replace(runtime_handler="vm"))
    code, text = await failure(node.client.CheckpointContainer(container_id=id_, location=location))
    assert code == grpc.StatusCode.UNIMPLEMENTED
    assert "runs under io.containerd.kata.v2 (runtime handler 'vm')" in text


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'Version: 3.15'", "is criu 3.15; checkpoints need 3.16 or newer"),
        ("echo 'cannot load libnet' >&2; exit 1", "does not report its version (exit code 1): cannot load libnet"),
        (None, "criu is not on the PATH"),
    ],
    ids=["old", "broken", "absent"],
)
async def test_a_criu_that_will_not_do(
    script: str | None, words: str, criu: Path, monkeypatch: pytest.MonkeyPatch, node: Node
) -> None:
    """The client is told what is missing, and nothing is begun."""
    id_ = await node.running()
    criu.write_text(f"#!/bin/sh\n{script}\n")
    if script is None:
        monkeypatch.setenv("PATH", str(criu.parent / "none"))
    code, text = await failure(node.client.CheckpointContainer(container_id=id_, location=str(criu.with_name("c.tar"))))
    assert (code, words in text) == (grpc.StatusCode.FAILED_PRECONDITION, True), text
