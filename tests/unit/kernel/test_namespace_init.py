"""A signal reaches the first process of a PID namespace, and no process of which that is not certain."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from cri_shim.kernel import namespace_init
from cri_shim.kernel.namespace_init import signal_namespace_init

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ID = "0123456789abcdef" * 4
OTHER = "f" * 64


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process that any signal ends."""
    with subprocess.Popen(["sleep", "3600"]) as process:
        yield process
        process.kill()


def describe(proc: Path, pid: int, *, nspid: str = "", state: str = "S (sleeping)", cgroup: str = "") -> None:
    """Write what /proc says of a process, by default of a container's first one."""
    directory = proc / str(pid)
    directory.mkdir(exist_ok=True)
    fields = {"Name": "sleep", "State": state, "Pid": pid, "NSpid": nspid or f"{pid}\t1", "Threads": 1}
    (directory / "status").write_text("".join(f"{name}:\t{value}\n" for name, value in fields.items()))
    (directory / "cgroup").write_text(cgroup or f"0::/kubepods/pod7/{ID}\n")


@pytest.mark.parametrize(
    "cgroup",
    [
        f"12:memory:/kubepods/pod7/{ID}\n1:name=systemd:/kubepods/pod7/{ID}\n0::/\n",
        f"0::/kubepods.slice/kubepods-pod7.slice/cri-containerd-{ID}.scope\n",
        f"0::/kubepods/pod7/{ID}/init.scope\n",
        f"0::/../../kubepods/pod7/{ID}\n",
    ],
    ids=["v1", "systemd", "below its own", "seen from a cgroup namespace"],
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGRTMIN + 3])
def test_the_process_meant(process, tmp_path, cgroup, number) -> None:
    """It gets the signal, whatever made its cgroup and from wherever that is seen."""
    describe(tmp_path, process.pid, cgroup=cgroup)
    assert signal_namespace_init(process.pid, number, ID, tmp_path)
    assert process.wait(10) == -number


@pytest.mark.parametrize(
    "about",
    [
        {"nspid": "{pid}"},
        {"nspid": "{pid}\t7"},
        {"nspid": "{pid}\t20\t1"},
        {"nspid": "99\t1"},
        {"cgroup": f"0::/kubepods/pod7/{OTHER}\n"},
        {"cgroup": f"0::/kubepods/pod7/{ID[:-1]}\n"},
        {"cgroup": "4:freezer:/\n0::/\n"},
        {"state": "D (disk sleep)"},
        {"state": "t (tracing stop)"},
        {"state": "Z (zombie)"},
    ],
    ids=[
        "the node's PID namespace",
        "another's PID namespace",
        "a namespace below a container's",
        "another pid",
        "another container",
        "another name",
        "no cgroup of its own",
        "frozen",
        "traced",
        "has ended",
    ],
)
def test_another_process(process, tmp_path, about) -> None:
    """It gets no signal: not one that got the pid later, and not one that shares its PID namespace."""
    describe(tmp_path, process.pid, **{name: text.format(pid=process.pid) for name, text in about.items()})
    assert not signal_namespace_init(process.pid, signal.SIGKILL, ID, tmp_path)
    assert process.poll() is None


def test_this_process() -> None:
    """What /proc really says of it: it is not the first one of a namespace below its own."""
    assert not signal_namespace_init(os.getpid(), 0, "")


@pytest.mark.parametrize("when", ["before", "meanwhile", "not readable"])
def test_a_process_that_ends(process, tmp_path, monkeypatch, when) -> None:
    """It gets no signal, and no other process does: the pidfd is that of the process that has ended."""
    describe(tmp_path, process.pid)
    sure = namespace_init._is_in

    def is_in_and_ends(cgroup: str, text: str) -> bool:
        process.kill()
        process.wait()
        return sure(cgroup, text)

    if when == "before":
        is_in_and_ends("", "")
    elif when == "meanwhile":
        monkeypatch.setattr(namespace_init, "_is_in", is_in_and_ends)
    else:
        (tmp_path / str(process.pid) / "status").unlink()
    descriptors = os.listdir("/proc/self/fd")
    assert not signal_namespace_init(process.pid, signal.SIGTERM, ID, tmp_path)
    assert os.listdir("/proc/self/fd") == descriptors


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EPERM, errno.EACCES, errno.EMFILE])
@pytest.mark.parametrize("call", ["os.pidfd_open", "signal.pidfd_send_signal"])
def test_a_kernel_that_refuses(process, tmp_path, monkeypatch, call, code) -> None:
    """Nothing is sent, nothing is left open, and it is no error."""

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    describe(tmp_path, process.pid)
    monkeypatch.setattr(call, refuse)
    descriptors = os.listdir("/proc/self/fd")
    assert not signal_namespace_init(process.pid, signal.SIGKILL, ID, tmp_path)
    assert os.listdir("/proc/self/fd") == descriptors
    assert process.poll() is None
