"""Which container was killed for want of memory, when its cgroup has gone before anybody could look."""

from __future__ import annotations

import errno
import os
import shutil
from types import SimpleNamespace
from typing import Any, cast

import pytest
from google.protobuf.any_pb2 import Any as Any_

from containerd_client import DeadlineExceeded, NotFound
from containerd_client.api.io.containerd.cgroups.v1 import cgroups_pb2 as cgroups_v1
from cri_shim.kernel.cgroups import UNIFIED, Hierarchies
from cri_shim.stats import oom_kills
from cri_shim.sync import oom
from cri_shim.sync.oom import ROOM, OomKills
from cri_shim.sync.task_poll import NotKnown

POD = "kubepods-pod1.slice"


class FakeTasks:
    """A containerd that knows no cgroup any more."""

    async def metrics(self, _filter):
        raise NotFound("Tasks/Metrics", "cgroup deleted")


class FakePod:
    """The files of a pod's cgroup below a root of its own."""

    def __init__(self, root):
        self.directory = root / "kubepods.slice/kubepods-pod1.slice"
        self.kills: dict[str, int] = {}
        self.directory.mkdir(parents=True)
        self.total = 0
        self._write()

    def start(self, id_):
        self.kills[id_] = 0
        (self.directory / f"cri-containerd-{id_}.scope").mkdir()
        self._write()

    def kill(self, id_):
        self.kills[id_] += 1
        self.total += 1
        self._write()

    def vanish(self, id_):
        del self.kills[id_]
        shutil.rmtree(self.directory / f"cri-containerd-{id_}.scope")

    def _write(self):
        (self.directory / "memory.events").write_text(f"oom_kill {self.total}\n")
        for id_, count in self.kills.items():
            (self.directory / f"cri-containerd-{id_}.scope/memory.events").write_text(f"oom_kill {count}\n")


@pytest.fixture
def pod(tmp_path):
    return FakePod(tmp_path)


@pytest.fixture
async def kills(tmp_path, pod):
    kills = OomKills(cast("Any", SimpleNamespace(tasks=FakeTasks())), Hierarchies({UNIFIED: (str(tmp_path), "/")}))
    await kills.begin(POD, {POD})
    pod.start("aaa")
    pod.start("bbb")
    return kills


async def test_the_scope_has_gone(pod, kills):
    """The pod's count says that it was killed for want of memory."""
    pod.kill("aaa")
    pod.vanish("aaa")
    assert await kills.was_oom_killed("aaa", POD)


async def test_the_scope_is_still_there(pod, kills):
    """Then it speaks for itself, and a neighbour's kill is not its own."""
    pod.kill("aaa")
    assert await kills.was_oom_killed("aaa", POD)
    assert not await kills.was_oom_killed("bbb", POD)


async def test_killed_by_a_signal(pod, kills):
    """SIGKILL alone is no want of memory."""
    pod.vanish("aaa")
    assert not await kills.was_oom_killed("aaa", POD)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO])
async def test_counts_that_cannot_be_read(pod, kills, monkeypatch, number):
    """Nothing is known of a kill then, and nothing is attributed; what can be read later counts."""
    pod.kill("aaa")
    pod.vanish("aaa")

    def refuse(path):
        raise OSError(number, os.strerror(number), path)

    with monkeypatch.context() as patched:
        patched.setattr(oom_kills, "read", refuse)
        assert isinstance(await kills.was_oom_killed("aaa", POD), NotKnown)
        await kills.mark_reported(POD, ["bbb"])
        await kills.begin("/another", {POD})
    assert await kills.was_oom_killed("aaa", POD) is True


@pytest.mark.parametrize("asked", [True, False])
async def test_one_kill_is_reported_of_one_container(pod, kills, asked):
    """The next one that is killed is not told so, whether the first one ended of it or outlived a kill in it."""
    pod.kill("aaa")
    pod.vanish("aaa")
    if asked:
        assert await kills.was_oom_killed("aaa", POD)
    await kills.mark_reported(POD, ["bbb"])
    pod.vanish("bbb")
    assert not await kills.was_oom_killed("bbb", POD)


async def test_two_at_once(pod, kills):
    """The end of one is told while the other, killed for want of memory, has ended and is not told yet."""
    pod.kill("bbb")
    pod.vanish("bbb")
    pod.vanish("aaa")
    await kills.mark_reported(POD, ["bbb"])
    assert await kills.was_oom_killed("bbb", POD)


async def test_what_was_before_the_daemon(pod, tmp_path, kills):
    """Kills that another daemon has told of do not count for this one's containers."""
    pod.kill("aaa")
    pod.vanish("aaa")
    later = OomKills(cast("Any", SimpleNamespace(tasks=FakeTasks())), Hierarchies({UNIFIED: (str(tmp_path), "/")}))
    await later.begin(POD, {POD})
    pod.vanish("bbb")
    assert not await later.was_oom_killed("bbb", POD)


async def test_a_pod_whose_cgroup_comes_with_the_container(tmp_path):
    """A slice that nobody has made yet has counted nothing."""
    kills = OomKills(cast("Any", SimpleNamespace(tasks=FakeTasks())), Hierarchies({UNIFIED: (str(tmp_path), "/")}))
    await kills.begin(POD, {POD})
    pod = FakePod(tmp_path)
    pod.start("aaa")
    pod.kill("aaa")
    pod.vanish("aaa")
    assert await kills.was_oom_killed("aaa", POD)


@pytest.mark.parametrize("parent", ["", "unknown.slice"])
async def test_no_parent(kills, parent):
    """Without a pod's cgroup containerd is asked; what it cannot say any more is no."""
    await kills.begin("", {POD})
    assert not await kills.was_oom_killed("aaa", parent)


async def test_cgroup_v1(pod):
    """There a container's own cgroup is all there is."""
    kills = OomKills(cast("Any", SimpleNamespace(tasks=FakeTasks())), None)
    await kills.begin(POD, {POD})
    pod.start("aaa")
    pod.kill("aaa")
    pod.vanish("aaa")
    assert not await kills.was_oom_killed("aaa", POD)
    await kills.mark_reported(POD, [])


async def test_pods_that_have_gone_are_forgotten(kills):
    """Memory does not grow with the pods that have been."""
    for number in range(3 * ROOM):
        parent = f"kubepods-pod{number}.slice"
        await kills.begin(parent, {parent})
    assert len(kills._reported) <= ROOM


async def test_pods_that_are_there_are_not_forgotten(pod, kills):
    """However many come and go besides."""
    pod.kill("aaa")
    pod.vanish("aaa")
    await kills.mark_reported(POD, ["bbb"])
    for number in range(3 * ROOM):
        await kills.begin(f"other{number}.slice", {POD})
    pod.vanish("bbb")
    assert not await kills.was_oom_killed("bbb", POD)


class SilentTasks:
    """A containerd that answers with errors, ``failures`` times, and then that there was a kill."""

    def __init__(self, failures):
        self.failures = failures

    async def metrics(self, _filter):
        self.failures -= 1
        if self.failures >= 0:
            raise DeadlineExceeded("Tasks/Metrics", "no answer")
        data = Any_()
        data.Pack(cgroups_v1.Metrics(memory_oom_control=cgroups_v1.MemoryOomControl(oom_kill=1)))
        return [SimpleNamespace(data=data)]


@pytest.mark.parametrize(("failures", "expected"), [(0, True), (2, True), (99, NotKnown("Tasks/Metrics: no answer"))])
async def test_a_containerd_that_does_not_answer(monkeypatch, failures, expected):
    """It is asked again; then it is not known, which is not the same as no."""
    monkeypatch.setattr(oom, "ASKED_AGAIN", (0, 0, 0))
    client = SimpleNamespace(tasks=SilentTasks(failures))
    assert await OomKills(cast("Any", client), None).was_oom_killed("aaa", POD) == expected


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_metrics_that_are_none(version):
    """A shim's answer that cannot be read says nothing about the cause, and the exit is recorded all the same."""
    data = Any_(type_url=f"io.containerd.cgroups.{version}.Metrics", value=b"\x0a\x05\xff")

    class Tasks:
        async def metrics(self, _filter):
            return [SimpleNamespace(data=data)]

    kills = OomKills(cast("Any", SimpleNamespace(tasks=Tasks())), None)
    answer = await kills.was_oom_killed("c1", "")
    assert isinstance(answer, NotKnown)
    assert "cannot be read" in answer.reason
