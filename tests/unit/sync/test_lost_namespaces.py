"""Files of network namespaces that vanish, seen by the directory that they are in."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.state.index import Index
from cri_shim.state.sandboxes import Sandbox
from cri_shim.sync import lost_namespaces
from tests.unit.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.fakes.kernel import RecordingKernel


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the files are."""
    return tmp_path / "netns"


@pytest.fixture
def sandboxes(directory: Path, kernel: RecordingKernel) -> Index[Sandbox]:
    """Two pods that are ready, each with its file."""
    index: Index[Sandbox] = Index("sandbox")
    for id_ in ("a", "b"):
        path = str(directory / id_)
        kernel.new_network_namespace(path)
        result: dict[str, Any] = {"cniVersion": "1.0.0"}
        index.put(Sandbox(id_, id_, cri.PodSandboxConfig(), 1, netns_path=path, cni_result=result, pid=7))
    return index


@pytest.fixture
async def watching(
    kernel: RecordingKernel, directory: Path, sandboxes: Index[Sandbox], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[asyncio.Task[None]]:
    """The watch, which has begun."""
    monkeypatch.setattr(lost_namespaces, "_OWN_REMOVAL", 0.001)
    monkeypatch.setattr(lost_namespaces, "_UNTIL_THERE", 0.001)
    task = asyncio.create_task(lost_namespaces.watch(kernel, directory, sandboxes))
    await asyncio.sleep(0.01)
    yield task
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.usefixtures("watching")
@pytest.mark.parametrize("how", ["removed", "renamed"])
async def test_a_file_that_vanishes(
    kernel: RecordingKernel, directory: Path, sandboxes: Index[Sandbox], how: str
) -> None:
    """Its pod is not ready any more, and the other one is."""
    kernel.namespaces.discard(str(directory / "a"))
    if how == "removed":
        (directory / "a").unlink()
    else:
        (directory / "a").rename(directory.with_name("elsewhere"))
    await until(lambda: not sandboxes.get("a").ready)
    assert sandboxes.get("a").netns_gone
    assert sandboxes.get("b").ready


@pytest.mark.usefixtures("watching")
async def test_a_pod_that_goes_with_its_file(directory: Path, sandboxes: Index[Sandbox]) -> None:
    """A removal of our own is no loss, and neither is the end of a file that belongs to no pod."""
    (directory / "other").touch()
    (directory / "other").unlink()
    (directory / "a").unlink()
    sandboxes.drop("a")
    await asyncio.sleep(0.02)
    assert "a" not in sandboxes
    assert sandboxes.get("b").ready


async def test_a_directory_that_goes(watching: asyncio.Task[None], directory: Path) -> None:
    """The watch ends, so that its caller begins another."""
    for entry in directory.iterdir():
        entry.unlink()
    directory.rmdir()
    async with asyncio.timeout(10):
        await watching


async def test_a_directory_that_is_not_there_yet(
    kernel: RecordingKernel, tmp_path: Path, sandboxes: Index[Sandbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is waited for: the first pod makes it."""
    monkeypatch.setattr(lost_namespaces, "_OWN_REMOVAL", 0.001)
    monkeypatch.setattr(lost_namespaces, "_UNTIL_THERE", 0.001)
    place = tmp_path / "later"
    watching = asyncio.create_task(lost_namespaces.watch(kernel, place, sandboxes))
    await asyncio.sleep(0.005)
    place.mkdir()
    await asyncio.sleep(0.02)
    sandboxes.put(sandboxes.get("a").replace(netns_path=str(place / "a")))
    (place / "a").touch()
    (place / "a").unlink()
    await until(lambda: not sandboxes.get("a").ready)
    watching.cancel()


@pytest.mark.parametrize("changes", [{"pid": 0}, {"netns_path": ""}], ids=["not ready", "the node's network"])
def test_a_pod_without_anything_to_look_at(
    kernel: RecordingKernel, sandboxes: Index[Sandbox], changes: dict[str, Any]
) -> None:
    """It stays as it is, and no system call is made."""
    kernel.calls.clear()
    sandbox = sandboxes.get("a").replace(**changes)
    assert lost_namespaces.poll(kernel, sandboxes, sandbox) is sandbox
    assert not kernel.calls
