"""Why something cannot be done in a pod or container that does not run: the reason is part of every sentence."""

from __future__ import annotations

from typing import Any

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.config.schema import RuncOptions, RuntimeHandler
from cri_shim.errors import FailedPreconditionError
from cri_shim.lifecycle.handlers import is_plain_runc
from cri_shim.lifecycle.running import require_ready, require_running
from cri_shim.state.containers import Container, Status
from cri_shim.state.index import Index
from cri_shim.state.sandboxes import Sandbox

POD, CONTAINER = "a" * 64, "b" * 64


def stores(sandbox: Sandbox, container: Container | None = None) -> tuple[Index[Sandbox], Index[Container]]:
    """Two stores with at most one value each."""
    sandboxes, containers = Index[Sandbox]("sandbox"), Index[Container]("container")
    sandboxes.put(sandbox)
    if container is not None:
        containers.put(container)
    return sandboxes, containers


def pod(**fields: Any) -> Sandbox:
    """A pod that runs, but for ``fields``."""
    known: dict[str, Any] = {"pid": 7, "cni_result": {}} | fields
    return Sandbox(POD, "pod", cri.PodSandboxConfig(), 1, **known)


def test_the_runtimes_words():
    """The errors of the pod, and of a container that waited for it, hold what the runtime said."""
    failed = pod(pid=0, exited_at=5, start_error="runc: no such device")
    with pytest.raises(FailedPreconditionError, match=r"is not running: its start failed: runc: no such device; no"):
        require_ready(failed, "no container")
    created = Container(CONTAINER, "c", POD, cri.ContainerConfig(), Status(created_at=1), "sha256:1")
    with pytest.raises(FailedPreconditionError, match=r"is created, not running; its sandbox a+ is not running: its"):
        require_running(*stores(failed, created), CONTAINER, "no command")


def test_a_container_in_doubt():
    """Its state is unknown, and the sentence says why."""
    unknown = Container(
        CONTAINER, "c", POD, cri.ContainerConfig(), Status(1, 2), "sha256:1", unknown_reason="its shim does not answer"
    )
    with pytest.raises(FailedPreconditionError, match="is unknown: its shim does not answer; no command"):
        require_running(*stores(pod(), unknown), CONTAINER, "no command")


def test_what_runs():
    """It is returned, and nothing is raised."""
    container = Container(CONTAINER, "c", POD, cri.ContainerConfig(), Status(1, 2), "sha256:1")
    require_ready(pod(), "nothing")
    assert require_running(*stores(pod(), container), CONTAINER, "nothing") is container


@pytest.mark.parametrize(
    ("handler", "surely"),
    [
        (RuntimeHandler(name="runc"), True),
        (RuntimeHandler(name="crun", options=RuncOptions(binary_name="crun")), False),
        (RuntimeHandler(name="wrapped", options=RuncOptions(binary_name="/opt/bin/runc")), False),
        (RuntimeHandler(name="path", runtime_path="/opt/bin/containerd-shim-runc-v2"), False),
        (RuntimeHandler(name="kata", runtime_type="io.containerd.kata.v2"), False),
    ],
)
def test_whose_start_is_not_waited_for(handler, surely):
    """Only runc's, by its own shim and name."""
    assert is_plain_runc(handler) is surely
