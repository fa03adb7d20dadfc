"""Exec, Attach and PortForward: a URL for each request that can be served, and a sentence for each that cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lab.cri_client import failure

if TYPE_CHECKING:
    from tests.unit.fake_node import Node

EXEC: dict[str, Any] = {"cmd": ["sh"], "stdout": True}
ATTACH: dict[str, Any] = {"stdin": True, "stdout": True, "tty": True}


async def test_urls(node: Node) -> None:
    """Each has an address of its own, and nothing runs before its client comes."""
    id_ = await node.running()
    pod_id = node.service.containers.get(id_).sandbox_id
    urls = [
        (await node.client.Exec(container_id=id_, **EXEC)).url,
        (await node.client.Attach(container_id=id_, **ATTACH)).url,
        (await node.client.PortForward(pod_sandbox_id=pod_id, port=[80, 65535])).url,
        (await node.client.PortForward(pod_sandbox_id=pod_id)).url,
    ]
    assert [url.split("/")[3] for url in urls] == ["exec", "attach", "portforward", "portforward"]
    assert len(set(urls)) == len(urls)
    assert not node.fake.called("Tasks/Exec")


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("Exec", {"stdout": True}, "INVALID_ARGUMENT", "names no command"),
    ("Exec", {"cmd": ["sh"]}, "INVALID_ARGUMENT", "at least one of stdin, stdout and stderr must be requested"),
    ("Exec", {**EXEC, "tty": True, "stderr": True}, "INVALID_ARGUMENT", "a terminal has one output"),
    ("Exec", EXEC, "FAILED_PRECONDITION", "; a command needs a running container"),
    ("Exec", {**EXEC, "container_id": "nothing"}, "NOT_FOUND", "nothing"),
    ("Attach", {}, "INVALID_ARGUMENT", "at least one of stdin, stdout and stderr must be requested"),
    ("Attach", ATTACH, "FAILED_PRECONDITION", "only a running container can be attached to"),
    ("PortForward", {"port": [0]}, "INVALID_ARGUMENT", "port 0 is not between 1 and 65535"),
    ("PortForward", {"port": [80, 65536]}, "INVALID_ARGUMENT", "port 65536 is not between 1 and 65535"),
    ("PortForward", {"pod_sandbox_id": "nothing"}, "NOT_FOUND", "nothing"),
    ("PortForward", {}, "FAILED_PRECONDITION", "its ports cannot be forwarded"),
]
"""RPC, what differs from a request for a container that does not run in a pod that is stopped, code, words."""


async def test_what_is_refused(node: Node) -> None:
    """Streams that do not go together, ports that do not exist, and what does not run."""
    pod_id, config = await node.kubelet.run_pod()
    id_ = await node.kubelet.create(pod_id, config)
    await node.client.StopPodSandbox(pod_sandbox_id=pod_id)
    for rpc, fields, expected, words in REFUSED:
        whole = {"pod_sandbox_id": pod_id} if rpc == "PortForward" else {"container_id": id_}
        code, text = await failure(getattr(node.client, rpc)(**{**whole, **fields}))
        assert (code.name, words in text) == (expected, True), (rpc, fields, text)
