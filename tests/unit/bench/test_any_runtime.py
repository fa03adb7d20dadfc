"""The whole of `cri-shim compare` in front of runtimes that are not like containerd: it measures, or says why not."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
from typing import TYPE_CHECKING, Any

import pytest

from cri_shim import cli
from cri_shim.bench.endpoint import pod
from cri_shim.bench.parity import facts
from cri_shim.bench.results.result_file import load
from cri_shim.bench.verdicts import noise
from tests.unit.bench.fake_runtime import CRI_LOG, IMAGE, run
from tests.unit.bench.made_up import QUIET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TINY = ("--image", IMAGE, "--rounds", "1", "--warm-up", "0", "--calls-at", "1", "--steady-at", "1", "--window", "1")
PROCESSES = multiprocessing.get_context("forkserver")
"""Imports what a runtime needs, once, and makes each runtime a process of its own."""
PROCESSES.set_forkserver_preload(["tests.unit.bench.fake_runtime"])
DOCKER_LOG = json.dumps({"log": "line 0\n", "stream": "stdout", "time": "2026-01-01T00:00:00.000000001Z"}) + "\n"


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """No waiting for what does not come, and no loops."""
    monkeypatch.setattr(facts, "_PATIENCE", 0.1)
    monkeypatch.setattr(pod, "REMOVE_RETRIES", ())
    monkeypatch.setattr(noise, "probe", lambda: QUIET)


@contextlib.contextmanager
def runtime(address: Path, **settings: Any) -> Iterator[str]:
    """A fake one as a process of its own."""
    ready, is_ready = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=run, args=({"address": str(address), **settings}, is_ready), daemon=True)
    process.start()
    is_ready.close()
    try:
        assert ready.recv()
        yield f"unix://{address}"
    finally:
        process.terminate()
        process.join()
        ready.close()


def compare(directory: Path, endpoints: dict[str, str], *arguments: str) -> int:
    """Run the command."""
    named = [word for name, address in endpoints.items() for word in ("--endpoint", f"{name}={address}")]
    files = ("--output", str(directory / "run.json"), "--directory", str(directory / "work"))
    return cli.main(["compare", *named, *TINY, *files, *arguments])


def test_two_runtimes_that_have_little_in_common(tmp_path, capsys):
    """Another version of the API, another log format, fewer RPCs: the report says so, and the rest is measured."""
    old = {"package": "runtime", "log": DOCKER_LOG, "lacks": ["ImageFsInfo", "ListPodSandboxStats", "RuntimeConfig"]}
    with runtime(tmp_path / "a.sock") as new, runtime(tmp_path / "b.sock", forgets_statistics=True, **old) as other:
        sides = {"new": new, "old": other}
        assert compare(tmp_path, sides, "--scenario", "life,calls,steady", "--rhythm", "back-to-back") == 0
    run = load(tmp_path / "run.json")
    assert [side.api for side in run.sides] == ["v1", "v1alpha1"]
    assert run.sides[1].left_out == {
        "ImageFsInfo": "not implemented",
        "ListPodSandboxStats": "not implemented",
        "ListContainerStats": "the list is of 0 of 3",
    }
    assert run.parity is not None
    differences = {(each.kind, each.name): each.values for each in run.parity.differences}
    assert differences["log lines", "format"] == {"new": "CRI", "old": "Docker's JSON, not the CRI's"}
    assert differences["statistics", "ListContainerStats"] == {"new": "of all", "old": "of 0 of 3"}
    for step in run.steps:
        for side_run in (side_run for one in step.rounds for side_run in one.side_runs.values()):
            assert side_run.samples
    for report in ((tmp_path / "run.md").read_text(), (tmp_path / "run.html").read_text()):
        assert "What differs in the work" in report
        assert "Docker's JSON" in report.replace("&#x27;", "'")
        assert "Not measured on old" in report
        assert "CRI v1alpha1" in report
    assert "the sides do not do all of the same work" in capsys.readouterr().err
    assert not list((tmp_path / "work").rglob("*.log"))


def test_parity_is_required_of_those_who_are_asked_for_it(tmp_path, capsys):
    """Nothing is timed, and what differs is named."""
    with runtime(tmp_path / "a.sock") as a, runtime(tmp_path / "b.sock", log=CRI_LOG + CRI_LOG) as b:
        assert compare(tmp_path, {"a": a, "b": b}, "--require-parity", "--scenario", "life") == 1
    said = capsys.readouterr().err
    assert "log lines of stdout: a: 50 lines" in said
    assert not (tmp_path / "run.json").exists()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"status": {"RunPodSandbox": "INTERNAL"}}, "RunPodSandbox failed: INTERNAL: RunPodSandbox was to fail"),
        ({"status": {"Version": "UNAVAILABLE"}}, "Version failed: UNAVAILABLE"),
        ({"status": {"ListContainerStats": "INTERNAL"}}, "ListContainerStats failed: INTERNAL"),
        ({"status": {"ExecSync": "UNKNOWN"}}, "ExecSync failed: UNKNOWN"),
        ({"lacks": ["CreateContainer"]}, "CreateContainer failed: UNIMPLEMENTED"),
        ({"false": ["NetworkReady"]}, "a is not ready: NetworkReady is false"),
        ({"garbage": ["Status"]}, "Status failed: its answer cannot be read as StatusResponse"),
        ({"garbage": ["RunPodSandbox"]}, "cannot be read as a CRI message"),
        ({"package": "containerd.services"}, "no version of the CRI (v1, v1alpha2, v1alpha1)"),
    ],
)
def test_each_failure_is_a_sentence(tmp_path, capsys, settings, sentence):
    """Of one line, and the exit code is 1."""
    with runtime(tmp_path / "a.sock", **settings) as address:
        assert compare(tmp_path, {"a": address}, "--scenario", "life") == 1
    said = capsys.readouterr().err
    assert sentence in said
    assert "Traceback" not in said


def test_a_container_without_a_log_file_is_a_fact(tmp_path):
    """The run goes on, and the report says that there was none."""
    with runtime(tmp_path / "a.sock") as a, runtime(tmp_path / "b.sock", log=None) as b:
        assert compare(tmp_path, {"a": a, "b": b}, "--scenario", "life", "--rhythm", "back-to-back") == 0
    assert "no file at the requested path" in (tmp_path / "run.md").read_text()


def test_what_went_wrong_first_is_said_although_cleaning_fails_too(tmp_path, capsys):
    """One sentence for each, the cause and the pods that stay."""
    with runtime(tmp_path / "a.sock", status={"StartContainer": "INTERNAL", "StopContainer": "INTERNAL"}) as address:
        assert compare(tmp_path, {"a": address}, "--scenario", "life") == 1
    said = capsys.readouterr().err
    assert "StartContainer failed" in said
    assert "pods may be left on a: " in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "rpc", ["Status", "CreateContainer", "StopContainer", "PodSandboxStatus", "ListContainerStats"]
)
def test_a_runtime_that_dies_ends_the_run_with_sentences(tmp_path, capsys, rpc):
    """Wherever that is: the call that was not answered, and the pods that cannot be removed any more."""
    with runtime(tmp_path / "a.sock") as a, runtime(tmp_path / "b.sock", dies_at=rpc) as b:
        arguments = ("--scenario", "life,calls,steady", "--rhythm", "back-to-back")
        assert compare(tmp_path, {"a": a, "b": b}, *arguments) == 1
    said = capsys.readouterr().err
    assert f"b.sock: {rpc} failed: UNAVAILABLE" in said
    assert "Traceback" not in said
