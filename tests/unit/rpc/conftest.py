"""What tests of RPCs start from: a node with an image, and what there is now that was not at first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes.cgroups import FakeCgroups
from tests.unit.crash_matrix.kubelet import Kubelet
from tests.unit.fake_node import Node

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cri_shim.service import Service
    from tests.fakes.cni import FakeCni
    from tests.fakes.containerd import FakeContainerd
    from tests.fakes.cri import Client
    from tests.fakes.kernel import RecordingKernel

IMAGE = "registry.test/app:1"


@pytest.fixture
def node(  # noqa: PLR0917 - each is a fixture of its own
    service: Service, fake: FakeContainerd, kernel: RecordingKernel, cni: FakeCni, client: Client, tmp_path: Path
) -> Node:
    """A node with an image, whose pods log below ``tmp_path``."""
    fake.add_image(IMAGE)
    kubelet = Kubelet(client, IMAGE, tmp_path / "logs")
    return Node(service, fake, kernel, cni, FakeCgroups(tmp_path / "cgroups"), client, kubelet, tmp_path)


@pytest.fixture
def left(node: Node) -> Callable[[], str]:
    """What there is now and was not at first."""
    before = node.there()
    return lambda: node.changed(before)
