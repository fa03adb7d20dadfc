"""A snapshotter that containerd lacks makes the node not ready, and what is not known does not."""

from __future__ import annotations

from typing import Any

from google.rpc.status_pb2 import Status

from containerd_client.api.containerd.services.introspection.v1 import introspection_pb2 as pb
from containerd_client.errors import Unavailable
from cri_shim.node import snapshotter_check
from cri_shim.node.snapshotter_check import SnapshotterCheck, wanted_snapshotters
from cri_shim.node.snapshotter_root import PLUGIN_TYPE, candidates, existing_root

WANTED = wanted_snapshotters("zfs", {"runc": "", "kata": "devmapper"})


class FakeIntrospection:
    """Has these snapshotters, and counts the questions."""

    def __init__(self, *names: str, **failed: str) -> None:
        self.names, self.failed, self.asked, self.away = names, failed, 0, False

    async def plugins(self, *_filters):
        self.asked += 1
        if self.away:
            raise Unavailable("Plugins", "away")
        loaded = [pb.Plugin(type=PLUGIN_TYPE, id=name) for name in self.names]
        return loaded + [
            pb.Plugin(type=PLUGIN_TYPE, id=name, init_err=Status(code=2, message=text))
            for name, text in self.failed.items()
        ]


async def test_what_is_missing_is_named_with_what_is_there():
    """The keys, why the plugin was not loaded, and the names to choose from; asked once for each connection."""
    containerd: Any = FakeIntrospection("overlayfs", "native", zfs="skip plugin: no zfs here")
    check = SnapshotterCheck(WANTED)
    for _ in range(2):
        reason = await check.reason(containerd, 1)
        assert "containerd.snapshotter = 'zfs' (skip plugin: no zfs here)" in reason
        assert "containerd.runtimes.kata.snapshotter = 'devmapper'" in reason
        assert "it has native, overlayfs" in reason
    assert containerd.asked == 1
    containerd.names, containerd.failed = ("zfs", "devmapper"), {}
    assert await check.reason(containerd, 2) == ""
    assert containerd.asked == 2


async def test_no_answer_after_another(monkeypatch):
    """What containerd said before it was restarted counts until it has answered again."""
    containerd: Any = FakeIntrospection("overlayfs")
    check = SnapshotterCheck(WANTED)
    before = await check.reason(containerd, 1)
    assert before
    containerd.away = True
    assert await check.reason(containerd, 2) == before
    monkeypatch.setattr(snapshotter_check, "ASK_AGAIN", 0.0)
    containerd.names, containerd.away = ("zfs", "devmapper"), False
    assert await check.reason(containerd, 2) == ""


async def test_no_answer_is_not_an_absence(monkeypatch):
    """containerd that does not answer is asked again, though not with each Status."""
    containerd: Any = FakeIntrospection("overlayfs")
    containerd.away = True
    check = SnapshotterCheck(WANTED)
    assert await check.reason(containerd, 1) == ""
    assert await check.reason(containerd, 1) == ""
    assert containerd.asked == 1
    monkeypatch.setattr(snapshotter_check, "ASK_AGAIN", 0.0)
    containerd.away = False
    assert "zfs" in await check.reason(containerd, 1)


def test_the_root_that_a_snapshotter_exports():
    """Its own word comes first, as long as the directory is there."""
    plugins = [pb.Plugin(type=PLUGIN_TYPE, id="overlayfs", exports={"root": "/x/overlay"})]
    assert candidates(plugins, "overlayfs")[0] == "/x/overlay"


def test_the_root_of_one_that_exports_none(tmp_path):
    """It lies beside those of other plugins, or below containerd's root somewhere; never where nothing is."""
    content = tmp_path / "io.containerd.content.v1.content"
    plugins = [
        pb.Plugin(type="io.containerd.content.v1", id="content", exports={"root": str(content)}),
        pb.Plugin(type=PLUGIN_TYPE, id="native"),
    ]
    assert existing_root(plugins, "native") == str(tmp_path)
    own = tmp_path / f"{PLUGIN_TYPE}.native"
    own.mkdir()
    assert existing_root(plugins, "native") == str(own)


def test_there_is_always_a_directory(monkeypatch):
    """Even where nothing is known."""
    monkeypatch.setattr("cri_shim.node.snapshotter_root.USUAL_ROOT", "/nowhere")
    assert existing_root([], "native") == "/"
