"""ReopenContainerLog: a new file takes over where the old one ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

from lab.cri_client import failure

if TYPE_CHECKING:
    from tests.unit.fake_node import Node


async def test_a_log_that_was_renamed(node: Node) -> None:
    """There is a new file, and what comes afterwards goes into it."""
    id_ = await node.running()
    log = node.kubelet.logs / "main/0.log"
    log.rename(log.with_suffix(".old"))
    await node.client.ReopenContainerLog(container_id=id_)
    assert log.exists()


async def test_a_log_that_cannot_be_opened(node: Node) -> None:
    """The sentence names the container and the file."""
    id_ = await node.running()
    log = node.kubelet.logs / "main/0.log"
    log.unlink()
    log.mkdir()
    code, text = await failure(node.client.ReopenContainerLog(container_id=id_))
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert text.startswith(f"log of container {id_} cannot be reopened: {log}: ")


async def test_a_container_that_does_not_run(node: Node) -> None:
    """There is nothing to reopen."""
    id_ = await node.kubelet.create(*await node.kubelet.run_pod())
    code, text = await failure(node.client.ReopenContainerLog(container_id=id_))
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    assert text == f"container {id_} is created, not running; its log cannot be reopened"
