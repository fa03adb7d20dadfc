"""A real kubelet runs static pods on both sides of a comparison, is measured, and leaves the node as it was.

The project has no kubelet: ``KUBELET`` in the environment is the path of one (docs/measuring.md).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cri_shim.bench.kubelet.node_state import SYSCTLS
from cri_shim.bench.results.result_file import load

KUBELET = os.environ.get("KUBELET", "")
needs_kubelet = pytest.mark.skipif(
    not KUBELET, reason="set KUBELET to the path of a kubelet; there is none in Debian or in this repository"
)
TINY = ("--scenario", "kubelet", "--kubelet-at", "2", "--kubelet-window", "3", "--kubelet-before", "2", "--rounds", "1")


def settings() -> dict[str, str]:
    """What a kubelet sets for the whole machine."""
    return {name: Path("/proc/sys", name).read_text() for name in SYSCTLS if Path("/proc/sys", name).exists()}


def cgroups_of(pid: int) -> list[Path]:
    """The cgroups that a comparison with this process id would have left."""
    return [
        *Path("/sys/fs/cgroup").glob(f"*/cri-compare-{pid}-*"),
        *Path("/sys/fs/cgroup").glob(f"cri-compare-{pid}-*"),
    ]


@needs_kubelet
def test_a_real_one(tmp_path):
    """Both sides run its pods, its CPU time and memory are in the result, and nothing is left of it on the node."""
    before = settings()
    there = [path.exists() for path in (Path("/var/lib/kubelet"), Path("/var/log/containers"))]
    file = tmp_path / "run.json"
    command = [sys.executable, "-m", "lab.compare", "--kubelet", KUBELET, *TINY, "--output", str(file)]
    with subprocess.Popen(
        command, env={**os.environ, "TMPDIR": str(tmp_path)}, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        out, err = process.communicate(timeout=400)
    assert process.returncode == 0, err
    (step,) = load(file).steps
    assert step.name == "kubelet@2"
    assert "Kubernetes v" in str(step.options["kubelet"])
    assert not step.left_out
    for side_run in step.rounds[0].side_runs.values():
        assert side_run.seconds == pytest.approx(3, abs=1)
        assert side_run.cpu["kubelet"] > 0
        assert side_run.memory["kubelet"] > 10
    assert "resident memory of the kubelet" in out
    assert settings() == before
    assert [path.exists() for path in (Path("/var/lib/kubelet"), Path("/var/log/containers"))] == there
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    assert cgroups_of(process.pid) == []
    assert not [name for name in os.listdir("/sys/class/net") if name.startswith(f"lab{process.pid}-")]
    assert "kubelet" not in {path.read_text().strip() for path in Path("/proc").glob("[0-9]*/comm")}


def test_none(tmp_path):
    """A path that is not a kubelet is refused in a sentence, before anything is set up."""
    command = [sys.executable, "-m", "lab.compare", "--kubelet", str(tmp_path / "none"), *TINY]
    done = subprocess.run(
        [*command, "--output", str(tmp_path / "run.json")], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert f"--kubelet {tmp_path / 'none'}: No such file or directory" in done.stderr
    assert "Traceback" not in done.stderr
