"""Which programs are ended when a runtime hangs: those of the pod's shim in its own cgroup, and no container."""

from __future__ import annotations

import os
import signal

from cri_shim.lifecycle.hanging_runtime import end_programs

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
    last = 100 + 1500
    process(tmp_path, SHIM, shim(POD), "0::/system\n", RUNC, 100)
    process(tmp_path, RUNC, ["runc", "start", POD], "0::/system\n")
    for pid in range(100, last):
        process(tmp_path, pid, ["sh"], "0::/kubepods/pod\n", pid + 1)
    killed = []
    monkeypatch.setattr(os, "kill", lambda pid, _: killed.append(pid))
    end_programs("k8s.io", POD, tmp_path)
    assert killed == [RUNC]
