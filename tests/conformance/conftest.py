"""Run every test of this folder on the bridge and on containerd's own CRI plugin, or on ``--cri-endpoint``.

The kind ``pinned`` is the bridge with pods that have no pause process (``sandbox.infra``): some modules are run on it
each time, all with ``--cri-kind pinned``.

A test that the plugin is known to fail carries ``@pytest.mark.plugin_differs(REASON)``; it must then fail there, so
that the list of differences stays true. ``before="1.7"`` and ``since="2.0"`` name the containerd versions that it is
said of; with all others it must pass. With ``always=False`` it may also pass (a race that the plugin mostly loses).

``@pytest.mark.proves(NAME, ...)`` names the fields and RPCs whose effect a test shows: tests/conformance/coverage.py.
"""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.conformance.node import Node, lab_node, other_node

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from lab.cri_client import CriClient
    from lab.pods import Pod

KINDS = ("bridge", "plugin", "pinned")
# What can be different without a pause process.
ALSO_PINNED = frozenset({"test_namespaces", "test_pod_life", "test_pod_network", "test_sandbox_process", "test_stats"})


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cri-endpoint", default=None, help="run on this CRI endpoint (unix:///path) only")
    parser.addoption("--cri-kind", default=None, choices=KINDS, help="run on one of the three only")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "plugin_differs(reason, always=True, before=None, since=None): containerd's CRI plugin is known to fail this",
    )
    config.addinivalue_line("markers", "pause_process: about a pod's own process, which a pinned pod does not have")
    config.addinivalue_line("markers", "proves(*names): fields and RPCs whose effect this test shows")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "node" in metafunc.fixturenames:
        endpoint = metafunc.config.getoption("--cri-endpoint", default=None)
        kind = metafunc.config.getoption("--cri-kind", default=None)
        usual = KINDS if metafunc.definition.path.stem in ALSO_PINNED else ("bridge", "plugin")
        kinds = [endpoint] if endpoint else [kind] if kind else usual
        metafunc.parametrize("node", kinds, indirect=True, scope="session")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def node(request: pytest.FixtureRequest) -> AsyncIterator[Node]:
    """The endpoint under test."""
    if shutil.which("containerd") is None:
        pytest.skip("containerd is not installed")
    if request.param in {"bridge", "pinned"} and find_spec("cri_shim.cli") is None:
        pytest.skip("the daemon is not installed")
    brought_up = lab_node(request.param) if request.param in KINDS else other_node(request.param)
    async with brought_up as brought:
        yield brought


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def _clean(request: pytest.FixtureRequest, node: Node) -> AsyncIterator[None]:
    """Mark what the plugin is known to fail, and remove the test's pods."""
    for marker in request.node.iter_markers("plugin_differs"):
        reason, said = marker.args[0], dict(marker.kwargs)
        strict = said.pop("always", True)
        if node.is_plugin(**said):
            request.applymarker(pytest.mark.xfail(reason=reason, strict=strict))
    if node.pinned and request.node.get_closest_marker("pause_process"):
        pytest.skip("a pinned pod has no process")
    yield
    await node.remove_pods()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _shared(node: Node) -> AsyncIterator[Pod]:
    """A pod that tests of containers share."""
    pod = await node.run()
    node.pods.remove(pod)
    yield pod
    await pod.remove()


@pytest_asyncio.fixture(loop_scope="session")
async def pod(_shared: Pod) -> AsyncIterator[Pod]:
    """A running pod; the containers that a test makes in it are removed afterwards."""
    yield _shared
    await _shared.remove_containers()


@pytest.fixture
def client(node: Node) -> CriClient:
    """The client of the endpoint under test."""
    return node.client
