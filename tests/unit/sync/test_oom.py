"""Which container was killed for want of memory, when its cgroup has gone before anybody could look."""

from __future__ import annotations

import errno
import os
import shutil
import time
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from containerd_client import NotFound
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.disk import oom_count_file
from cri_shim.kernel.cgroups import UNIFIED, Hierarchies
from cri_shim.state.containers import Container, Status
from cri_shim.stats import oom_kills
from cri_shim.sync.oom import OomKills
from cri_shim.sync.task_poll import NotKnown
from tests.unit.kernel.kernel_log import kernel_log, killed

POD = "kubepods-pod1.slice"
PIDS = {"aaa": 70, "bbb": 80, "ccc": 90}


class FakeTasks:
    """A containerd that knows no cgroup any more."""

    async def metrics(self, _filter):
        raise NotFound("Tasks/Metrics", "cgroup deleted")


class FakePod:
    """The files of a pod's cgroup below a root of its own, and the directory that the daemon has for the pod."""

    def __init__(self, root):
        self.directory = root / "kubepods.slice/kubepods-pod1.slice"
        self.files = root / "pod-files"
        self.files.mkdir(exist_ok=True)
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


def ended(id_):
    """A container that has run for a second."""
    status = Status(created_at=1, started_at=time.time_ns() - 1_000_000_000, pid=PIDS[id_])
    return Container(id_, id_, "p" * 64, cri.ContainerConfig(), status, "sha256:1")


def counting(root, log="/no/such/log"):
    """A daemon's counts, and the log of the kernel that it reads."""
    tasks = cast("Any", SimpleNamespace(tasks=FakeTasks()))
    return OomKills(tasks, Hierarchies({UNIFIED: (str(root), "/")}), kernel_log=str(log))


class Daemon:
    """The counts of one daemon for one pod. ``others`` are the containers that have not been reported."""

    def __init__(self, kills, pod, *others):
        self.kills, self.pod, self.others = kills, pod, set(others)

    async def begin(self):
        await self.kills.begin(POD, self.pod.files)
        return self

    async def asked(self, id_):
        """Ask for the cause of an end."""
        return await self.kills.was_oom_killed(ended(id_), POD, self.pod.files, self.others - {id_})

    async def reported(self, id_):
        """The end of a container is recorded, and its task deleted."""
        self.others.discard(id_)
        await self.kills.mark_reported(POD, self.others)


@pytest.fixture
def pod(tmp_path):
    return FakePod(tmp_path)


@pytest.fixture
async def daemon(tmp_path, pod):
    daemon = await Daemon(counting(tmp_path), pod, "aaa", "bbb").begin()
    pod.start("aaa")
    pod.start("bbb")
    return daemon


@contextmanager
def reading(daemon, *records):
    """Let the daemon read these records of the kernel."""
    with kernel_log(*records) as path:
        daemon.kills._kernel_log = str(path)
        yield


async def test_the_scope_has_gone(pod, daemon):
    """The pod's count says that it was killed for want of memory."""
    pod.kill("aaa")
    pod.vanish("aaa")
    assert await daemon.asked("aaa") is True


async def test_the_scope_is_still_there(pod, daemon):
    """Then it speaks for itself, and a neighbour's kill is not its own."""
    pod.kill("aaa")
    assert await daemon.asked("aaa") is True
    assert await daemon.asked("bbb") is False


async def test_killed_by_a_signal(pod, daemon):
    """SIGKILL alone is no want of memory."""
    pod.vanish("aaa")
    assert await daemon.asked("aaa") is False


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO])
async def test_counts_that_cannot_be_read(tmp_path, pod, daemon, monkeypatch, number):
    """Nothing is known of a kill then, and nothing is attributed; what can be read later counts."""
    pod.kill("aaa")
    pod.vanish("aaa")

    def refuse(path):
        raise OSError(number, os.strerror(number), path)

    with monkeypatch.context() as patched:
        patched.setattr(oom_kills, "read", refuse)
        assert isinstance(await daemon.asked("aaa"), NotKnown)
        await daemon.kills.mark_reported(POD, ["bbb"])
        await daemon.kills.begin("/another", tmp_path / "another")
        assert not daemon.kills.counts("/another")
    assert await daemon.asked("aaa") is True


@pytest.mark.parametrize("asked", [True, False])
async def test_one_kill_is_reported_of_one_container(pod, daemon, asked):
    """The next one that is killed is not told so, whether the first one ended of it or outlived a kill in it."""
    pod.kill("aaa")
    pod.vanish("aaa")
    if asked:
        assert await daemon.asked("aaa") is True
    await daemon.reported("aaa")
    pod.vanish("bbb")
    assert await daemon.asked("bbb") is False


async def test_two_at_once(pod, daemon):
    """The end of one is told while the other, killed for want of memory, has ended and is not told yet."""
    pod.kill("bbb")
    pod.vanish("bbb")
    pod.vanish("aaa")
    await daemon.reported("aaa")
    assert await daemon.asked("bbb") is True


async def test_two_at_once_and_the_kernel_says_which(pod, daemon):
    """One was killed for want of memory and the other by a signal: its log tells them apart."""
    pod.kill("aaa")
    pod.vanish("aaa")
    pod.vanish("bbb")
    for id_, expected in (("bbb", False), ("aaa", True)):
        with reading(daemon, *killed("aaa", PIDS["aaa"])):
            assert await daemon.asked(id_) is expected


@pytest.mark.parametrize("records", [None, [(None, "the log has been overwritten since")]])
async def test_two_at_once_and_the_kernel_does_not_say(pod, daemon, records):
    """Without a word about either, both count: a kubelet starts them again all the same."""
    pod.kill("aaa")
    pod.vanish("aaa")
    pod.vanish("bbb")
    for id_ in ("bbb", "aaa"):
        with reading(daemon, *(records or [])):
            assert await daemon.asked(id_) is True


async def test_one_that_is_killed_while_the_end_of_another_is_recorded(pod, daemon):
    """Its task is being deleted, which takes a while: only then is the kill attributed."""
    pod.kill("aaa")
    pod.vanish("aaa")
    assert await daemon.asked("aaa") is True
    pod.vanish("bbb")
    with reading(daemon, *killed("aaa", PIDS["aaa"])):
        assert await daemon.asked("bbb") is False
    await daemon.reported("aaa")


async def test_one_that_is_starting_when_the_end_of_another_is_reported(pod, daemon):
    """It was killed at once: the end of the other one does not take its kill."""
    daemon.others.add("ccc")
    pod.start("ccc")
    pod.kill("ccc")
    pod.vanish("ccc")
    pod.vanish("aaa")
    await daemon.reported("aaa")
    with reading(daemon, *killed("ccc", PIDS["ccc"])):
        assert await daemon.asked("ccc") is True


async def test_one_that_has_no_cgroup_yet_when_the_end_of_another_is_reported(pod, daemon):
    """Then the kill stays unattributed for now, and the kernel's log tells it from a later end by a signal."""
    daemon.others.add("ccc")
    pod.kill("aaa")
    pod.vanish("aaa")
    with reading(daemon, *killed("aaa", PIDS["aaa"])):
        assert await daemon.asked("aaa") is True
    await daemon.reported("aaa")
    pod.start("ccc")
    pod.vanish("bbb")
    with reading(daemon, *killed("aaa", PIDS["aaa"])):
        assert await daemon.asked("bbb") is False
    await daemon.reported("bbb")
    pod.vanish("ccc")
    assert await daemon.asked("ccc") is False


async def test_what_was_before_the_daemon(tmp_path, pod, daemon):
    """Kills that another daemon has told of do not count for this one's containers."""
    pod.kill("aaa")
    pod.vanish("aaa")
    await daemon.reported("aaa")
    later = await Daemon(counting(tmp_path), pod, "bbb").begin()
    pod.vanish("bbb")
    assert await later.asked("bbb") is False


@pytest.mark.parametrize("first", ["aaa", "bbb"])
async def test_what_happened_while_no_daemon_ran(tmp_path, pod, daemon, first):
    """The count that the last daemon has left says it, whichever container the next one looks at first."""
    assert await daemon.asked("aaa") is False
    pod.kill("aaa")
    pod.vanish("aaa")
    later = Daemon(counting(tmp_path), pod, "aaa", "bbb")
    if first == "bbb":
        await later.begin()
    assert await later.asked("aaa") is True
    await later.reported("aaa")
    pod.vanish("bbb")
    assert await later.asked("bbb") is False


async def test_a_daemon_that_has_left_no_count(tmp_path, pod, daemon):
    """Nothing says whether a kill is from before: containerd is asked, and the kills from now on count."""
    pod.kill("aaa")
    pod.vanish("aaa")
    (pod.files / "oom-kills").unlink()
    later = Daemon(counting(tmp_path), pod, "aaa", "bbb")
    assert await later.asked("aaa") is False
    await later.begin()
    pod.kill("bbb")
    pod.vanish("bbb")
    later.others.discard("aaa")
    assert await later.asked("bbb") is True


@pytest.mark.parametrize("text", ["", "1", "1 x", "-1 2", "1 2 3", "9" * 100])
async def test_a_count_that_is_damaged(tmp_path, pod, daemon, text):
    """It is as if there were none."""
    (pod.files / "oom-kills").write_text(text)
    pod.kill("aaa")
    pod.vanish("aaa")
    assert await Daemon(counting(tmp_path), pod, "aaa").asked("aaa") is False


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO])
async def test_a_count_that_cannot_be_read_now(tmp_path, pod, daemon, monkeypatch, number):
    """It may be there, so nothing is known of a kill, and it is not replaced; once it can be read, it counts."""
    pod.kill("aaa")
    pod.vanish("aaa")
    later = Daemon(counting(tmp_path), pod, "aaa")

    def refuse(path, _limit):
        raise OSError(number, os.strerror(number), str(path))

    with monkeypatch.context() as patched:
        patched.setattr(oom_count_file, "read_small_file", refuse)
        assert isinstance(await later.asked("aaa"), NotKnown)
        await later.begin()
    assert await later.asked("aaa") is True


async def test_a_pod_whose_directory_is_being_removed(pod, daemon):
    """The count cannot be written, which is no fault."""
    shutil.rmtree(pod.files)
    pod.kill("aaa")
    pod.vanish("aaa")
    assert await daemon.asked("aaa") is True
    await daemon.reported("aaa")
    assert not pod.files.exists()


async def test_a_pod_whose_cgroup_comes_with_the_container(tmp_path):
    """A slice that nobody has made yet has counted nothing."""
    (tmp_path / "pod-files").mkdir()
    kills = counting(tmp_path)
    await kills.begin(POD, tmp_path / "pod-files")
    pod = FakePod(tmp_path)
    pod.start("aaa")
    pod.kill("aaa")
    pod.vanish("aaa")
    assert await Daemon(kills, pod, "aaa").asked("aaa") is True


async def test_a_cgroup_that_is_made_anew(tmp_path, pod, daemon):
    """A static pod that is removed and added again has the same cgroup, whose count begins at 0 again."""
    for _ in range(3):
        pod.kill("aaa")
    pod.vanish("aaa")
    await daemon.reported("aaa")
    pod.directory.rename(tmp_path / "kept, so that its inode is not used again")
    again = FakePod(tmp_path)
    again.start("bbb")
    again.kill("bbb")
    again.vanish("bbb")
    assert await daemon.asked("bbb") is True


@pytest.mark.parametrize(("records", "expected"), [([], False), (killed("aaa", PIDS["aaa"]), True)])
async def test_a_pod_whose_cgroup_has_gone(pod, daemon, records, expected):
    """Only the kernel's log can say."""
    shutil.rmtree(pod.directory)
    with reading(daemon, *records):
        assert await daemon.asked("aaa") is expected


@pytest.mark.parametrize("parent", ["", "unknown.slice"])
async def test_no_parent(pod, daemon, parent):
    """Without a pod's cgroup containerd is asked; what it cannot say any more is no."""
    await daemon.kills.begin("", pod.files)
    assert await daemon.kills.was_oom_killed(ended("aaa"), parent, pod.files / "none", ()) is False
    assert not daemon.kills.counts(parent)


async def test_cgroup_v1(pod):
    """There a container's own cgroup is all there is."""
    kills = OomKills(cast("Any", SimpleNamespace(tasks=FakeTasks())), None)
    daemon = await Daemon(kills, pod, "aaa").begin()
    pod.start("aaa")
    pod.kill("aaa")
    pod.vanish("aaa")
    assert await daemon.asked("aaa") is False
    await daemon.reported("aaa")
    assert not kills.counts(POD)
    assert list(pod.files.iterdir()) == []


async def test_pods_that_have_gone_are_forgotten(tmp_path, pod, daemon):
    """Memory does not grow with the pods that have been; a cgroup that another pod has too stays."""
    await daemon.kills.begin(POD, tmp_path / "second attempt")
    daemon.kills.forget(POD, pod.files)
    assert daemon.kills.counts(POD)
    daemon.kills.forget(POD, tmp_path / "second attempt")
    assert not daemon.kills.counts(POD)
    daemon.kills.forget("unknown", pod.files)
