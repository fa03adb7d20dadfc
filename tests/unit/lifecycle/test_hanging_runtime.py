"""Which programs are ended when a runtime hangs: those of the pod's shim in its own cgroup, and no container."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import nullcontext

import pytest

from containerd_client import DeadlineExceeded, Unavailable
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.config.schema import Config, ContainerdSection, RuntimeHandler
from cri_shim.errors import UnavailableError
from cri_shim.lifecycle import hanging_runtime
from cri_shim.lifecycle.hanging_runtime import end_hanging_runtimes, end_programs, hanging_ended
from cri_shim.state.containers import Container, Status
from cri_shim.state.index import Index
from cri_shim.state.sandboxes import Sandbox

POD = "a" * 64
SHIM, RUNC, SLEEP, PAUSE, OTHER_SHIM, OTHER_RUNC = 10, 11, 12, 13, 20, 21


def process(proc, pid, arguments, cgroup, *children):
    """One process as /proc shows it."""
    task = proc / str(pid) / "task" / str(pid)
    task.mkdir(parents=True)
    (task / "children").write_text("".join(f"{child} " for child in children))
    (proc / str(pid) / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in arguments))
    (proc / str(pid) / "cgroup").write_text(cgroup)


def shim(pod):
    return ["/usr/bin/containerd-shim-runc-v2", "-namespace", "k8s.io", "-id", pod, "-address", "/c.sock"]


def test_what_is_killed(tmp_path, monkeypatch):
    """The runtime and its child; not the pause container, which has a cgroup of its own, nor another pod's runtime."""
    process(tmp_path, SHIM, shim(POD), "0::/system\n", RUNC, PAUSE)
    process(tmp_path, RUNC, ["runc", "start", POD], "0::/system\n", SLEEP)
    process(tmp_path, SLEEP, ["sleep", "600"], "0::/system\n")
    process(tmp_path, PAUSE, ["/pause"], "0::/kubepods/pod\n")
    process(tmp_path, OTHER_SHIM, shim("b" * 64), "0::/system\n", OTHER_RUNC)
    process(tmp_path, OTHER_RUNC, ["runc", "start"], "0::/system\n")
    killed = []
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append((pid, number)))
    end_programs("k8s.io", POD, tmp_path)
    assert killed == [(RUNC, signal.SIGKILL), (SLEEP, signal.SIGKILL)]


def test_a_shim_that_was_started_for_a_container(tmp_path, monkeypatch):
    """Of a pod without a pause process; the container that it was started for may have gone."""
    member, gone = "c" * 64, "d" * 64
    process(tmp_path, SHIM, shim(gone), "0::/system\n", RUNC, PAUSE)
    process(tmp_path, RUNC, ["runc", "kill", member], "0::/system\n")
    process(tmp_path, PAUSE, ["sh"], f"0::/kubepods/{member}\n")
    killed = []
    monkeypatch.setattr(os, "kill", lambda pid, _: killed.append(pid))
    end_programs("k8s.io", POD, tmp_path)
    assert killed == []
    end_programs("k8s.io", POD, tmp_path, members={member})
    assert killed == [RUNC]


def test_a_program_that_has_just_begun(tmp_path, monkeypatch):
    """It does not hang, whatever else of the pod does."""
    process(tmp_path, SHIM, shim(POD), "0::/system\n", RUNC, SLEEP)
    ticks = os.sysconf("SC_CLK_TCK")
    for pid, begun in ((RUNC, 98), (SLEEP, 80)):
        process(tmp_path, pid, ["runc"], "0::/system\n")
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (a) b) S {' '.join('0' * 18)} {begun * ticks} 0 0")
    (tmp_path / "uptime").write_text("100.25 7.0\n")
    killed = []
    monkeypatch.setattr(os, "kill", lambda pid, _: killed.append(pid))
    end_programs("k8s.io", POD, tmp_path)
    assert killed == [SLEEP]


def test_a_pod_without_a_shim(tmp_path, monkeypatch):
    """There is nothing to end."""
    monkeypatch.setattr(os, "kill", lambda *_: (_ for _ in ()).throw(AssertionError("killed")))
    end_programs("k8s.io", POD, tmp_path)


def test_a_container_of_very_many_generations(tmp_path, monkeypatch):
    """What a container does with its processes hinders no stop."""
    last = 100 + sys.getrecursionlimit() + 50
    process(tmp_path, SHIM, shim(POD), "0::/system\n", RUNC, 100)
    process(tmp_path, RUNC, ["runc", "start", POD], "0::/system\n")
    for pid in range(100, last):
        process(tmp_path, pid, ["sh"], "0::/kubepods/pod\n", pid + 1)
    killed = []
    monkeypatch.setattr(os, "kill", lambda pid, _: killed.append(pid))
    end_programs("k8s.io", POD, tmp_path)
    assert killed == [RUNC]


@pytest.mark.parametrize(
    ("error", "ended"),
    [
        (DeadlineExceeded("Tasks/Start", "late"), True),
        (UnavailableError("its shim does not answer"), True),
        (UnavailableError("another cause"), False),
        (Unavailable("Tasks/Start", "away"), False),
        (None, False),
    ],
    ids=["deadline", "because of one", "unavailable", "away", "done"],
)
async def test_when_programs_are_ended(monkeypatch, error, ended):
    """After a call that has taken as long as it may, and then its error goes on."""
    killed = []
    monkeypatch.setattr(hanging_runtime, "end_programs", lambda *_, members: killed.append(members))
    containers: Index[Container] = Index("container")
    for id_, pod in (("c1", POD), ("c2", "other")):
        containers.put(Container(id_, id_, pod, cri.ContainerConfig(), Status(), "sha256:1"))
    if error is not None and "its shim" in str(error):
        error.__cause__ = DeadlineExceeded("Tasks/Kill", "late")
    with nullcontext() if error is None else pytest.raises(type(error)):
        async with hanging_ended(Config(), Index("sandbox"), containers, POD):
            if error is not None:
                raise error
    assert killed == ([{"c1"}] if ended else [])


@pytest.mark.parametrize(
    ("stored", "given", "ended"),
    [("", None, True), ("kata", None, False), ("kata", "runc", True), ("", "kata", False), ("gone", None, False)],
)
async def test_a_shim_of_another_kind(monkeypatch, stored, given, ended):
    """It may need the programs that it runs, and they are spared."""
    killed = []
    monkeypatch.setattr(hanging_runtime, "end_programs", lambda *_, members: killed.append(members))
    kata = RuntimeHandler(name="kata", runtime_type="io.containerd.kata.v2")
    config = Config(containerd=ContainerdSection(runtimes={"runc": RuntimeHandler(name="runc"), "kata": kata}))
    sandboxes: Index[Sandbox] = Index("sandbox")
    sandboxes.put(Sandbox(POD, "p", cri.PodSandboxConfig(), 1, runtime_handler=stored))
    await end_hanging_runtimes(config, sandboxes, Index("container"), POD, given)
    assert bool(killed) is ended
