"""Shims that containerd has forgotten, played by shells that go by a shim's name."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from cri_shim.sync import orphaned_shims
from cri_shim.sync.orphaned_shims import end_orphaned_shims, find_shims

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Start = Callable[..., subprocess.Popen[bytes]]

ADDRESS = "/run/c.sock"
ID = "c" * 64
SCRIPT = 'for last; do :; done; if [ "$last" = delete ]; then {delete}; else echo ready; read line; fi'


@pytest.fixture
def namespace(tmp_path: Path) -> str:
    """A namespace that no other containerd of this machine has."""
    return f"test-{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:16]}"


@pytest.fixture
def start(tmp_path: Path, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start a shim in a bundle of its own; ``delete`` is what its program does to undo what it made."""
    monkeypatch.setattr(orphaned_shims, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(orphaned_shims, "_POLL_EVERY", 0.005)
    monkeypatch.setattr(orphaned_shims, "_SHIM_SOCKETS", tmp_path)
    started = []

    def begin(id_: str = ID, *, delete: str = "touch undone") -> subprocess.Popen[bytes]:
        bundle = tmp_path / "bundle"
        bundle.mkdir(exist_ok=True)
        words = ["-c", SCRIPT.format(delete=delete), "-namespace", namespace, "-id", id_, "-address", ADDRESS]
        shim = subprocess.Popen(
            ["containerd-shim-runc-v2", *words],
            executable="/bin/sh",
            cwd=bundle,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        started.append(shim)
        assert shim.stdout is not None
        shim.stdout.readline()
        return shim

    yield begin
    for shim in started:
        shim.kill()
        shim.communicate()


def test_which_are_found(start: Start, namespace: str) -> None:
    """Those of the namespace that were started for one of the ids."""
    shim = start()
    assert list(find_shims(namespace, {ID, "d" * 64})) == [shim.pid]
    assert not find_shims(namespace, {"d" * 64})
    assert not find_shims("other", {ID})


def test_one_that_stays(start: Start, namespace: str, tmp_path: Path) -> None:
    """Its own program undoes what it made, it is killed, and its socket goes; other shims live on."""
    shim, other = start(), start("d" * 64)
    places = {
        id_: tmp_path / hashlib.sha256(f"{ADDRESS}/{namespace}/{id_}".encode()).hexdigest() for id_ in (ID, "d" * 64)
    }
    for place in places.values():
        place.touch()
    with capture_logs() as logs:
        end_orphaned_shims(f"unix://{ADDRESS}", namespace, {ID})
    assert shim.wait() == -9
    assert (tmp_path / "bundle/undone").exists()
    assert other.poll() is None
    assert [place.exists() for place in places.values()] == [False, True]
    assert [(one["event"], one["pid"]) for one in logs] == [("shim.stray_ended", shim.pid)]


async def test_one_that_ends_by_itself(
    start: Start, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given the time, and nothing is undone for it."""
    monkeypatch.setattr(orphaned_shims, "PATIENCE_SECONDS", 10.0)
    shim = start()
    ending = asyncio.create_task(asyncio.to_thread(end_orphaned_shims, ADDRESS, namespace, {ID}))
    await asyncio.sleep(0.02)
    assert not ending.done()
    shim.communicate(b"\n")
    await ending
    assert shim.returncode == 0
    assert not (tmp_path / "bundle/undone").exists()


def test_one_whose_undo_hangs(start: Start, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is killed all the same, and what stays is logged."""
    monkeypatch.setattr(orphaned_shims, "_DELETE_SECONDS", 0.05)
    shim = start(delete="exec sleep 5")
    with capture_logs() as logs:
        end_orphaned_shims(ADDRESS, namespace, {ID})
    assert shim.wait() == -9
    assert [one["event"] for one in logs] == ["shim.stray_ended", "shim.stray_not_undone"]


def test_one_that_is_gone_when_it_is_to_be_ended(start: Start, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its bundle nor itself is there, which is fine."""
    shim = start()
    shims = find_shims(namespace, {ID})
    shim.communicate(b"\n")
    monkeypatch.setattr(orphaned_shims, "PATIENCE_SECONDS", -1.0)
    monkeypatch.setattr(orphaned_shims, "find_shims", lambda *_: shims)
    with capture_logs() as logs:
        end_orphaned_shims(ADDRESS, namespace, {ID})
    assert [one["event"] for one in logs] == ["shim.stray_ended", "shim.stray_not_undone"]
