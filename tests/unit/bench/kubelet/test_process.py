"""One program is started, watched and ended, and says why it ended."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cri_shim.bench.kubelet.process import KubeletError, RunningKubelet, version_of


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_version_is_what_it_prints(tmp_path):
    """Of one line."""
    assert version_of(script(tmp_path / "kubelet", "echo Kubernetes v1.36.2; echo more")) == "Kubernetes v1.36.2"


@pytest.mark.parametrize(
    ("text", "reason"), [(None, "No such file"), ("exit 3", "does not print its version"), ("", "")], ids=str
)
def test_a_program_that_is_no_kubelet_is_refused(tmp_path, text, reason):
    """With its path and the reason; one that prints nothing has no version."""
    path = tmp_path / "kubelet"
    if text is not None:
        script(path, text)
    if not reason:
        assert version_of(path) == ""
        return
    with pytest.raises(KubeletError, match=reason) as refused:
        version_of(path)
    assert str(path) in str(refused.value)


async def test_it_is_ended_and_nothing_else(tmp_path):
    """By SIGTERM; that it has ended is no error then."""
    program = script(tmp_path / "kubelet", "exec sleep 600")
    kubelet = await RunningKubelet.start([str(program)], tmp_path / "log")
    kubelet.check()
    await kubelet.stop()
    assert kubelet.process.returncode == -signal.SIGTERM
    await kubelet.stop()


async def test_one_that_does_not_end_is_killed(tmp_path, monkeypatch):
    """After a while."""
    monkeypatch.setattr("cri_shim.bench.kubelet.process._TO_END", 0.2)
    program = script(tmp_path / "kubelet", "trap '' TERM; while true; do sleep 0.05; done")
    kubelet = await RunningKubelet.start([str(program)], tmp_path / "log")
    await asyncio.sleep(0.2)
    await kubelet.stop()
    assert kubelet.process.returncode == -signal.SIGKILL


async def test_why_it_ended_is_said_with_its_errors(tmp_path):
    """The last lines of its log that are errors; without errors, its last lines."""
    program = script(tmp_path / "kubelet", 'echo "I0101 fine"; echo "E0101 no cgroup"; echo "I0101 bye"; exit 1')
    kubelet = await RunningKubelet.start([str(program)], tmp_path / "log")
    await kubelet.process.wait()
    with pytest.raises(KubeletError, match=r"the kubelet ended with 1: E0101 no cgroup$"):
        kubelet.check()
    assert RunningKubelet(kubelet.process, tmp_path / "none").last_words().startswith("its log cannot be read")
    (tmp_path / "log").write_text("unknown flag: --x\n")
    assert kubelet.last_words() == "unknown flag: --x"
    (tmp_path / "log").write_text('E0101 failed" err=<\n\trunc: no\n >\n')
    assert kubelet.last_words() == 'E0101 failed" err=< runc: no >'


async def test_a_program_that_cannot_be_started_is_an_error(tmp_path):
    """A file that is no program."""
    (tmp_path / "kubelet").write_text("text")
    try:
        kubelet = await RunningKubelet.start([str(tmp_path / "kubelet")], tmp_path / "log")
    except KubeletError as error:
        assert str(tmp_path / "kubelet") in str(error)
    else:  # setpriv has started, and has failed
        await kubelet.process.wait()
        with pytest.raises(KubeletError, match="the kubelet ended with"):
            kubelet.check()


def test_it_ends_with_the_comparison(tmp_path):
    """Also if that is killed, so that no kubelet goes on by itself."""
    program = script(tmp_path / "kubelet", f"echo $$ >{tmp_path}/pid; exec sleep 600")
    code = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "from cri_shim.bench.kubelet.process import RunningKubelet\n"
        "async def main():\n"
        f"    await RunningKubelet.start([{str(program)!r}], Path({str(tmp_path / 'log')!r}))\n"
        "    print('up', flush=True)\n    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        pid_file = tmp_path / "pid"
        while not (pid_file.exists() and pid_file.read_text().strip()):
            os.sched_yield()
        parent.kill()
    pid = int(pid_file.read_text())
    descriptor = os.pidfd_open(pid) if Path(f"/proc/{pid}").exists() else -1
    if descriptor >= 0:
        ready, _, _ = select.select([descriptor], [], [], 20)
        os.close(descriptor)
        assert ready
