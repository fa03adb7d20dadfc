"""Which tasks are created by way of the script, and what becomes of it afterwards."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from structlog.testing import capture_logs

from containerd_client import Unknown
from cri_shim.config import RuntimeHandler
from cri_shim.config.schema import RuncOptions
from cri_shim.paths import Paths
from cri_shim.tuning import shim_calls
from cri_shim.tuning.shim_calls import TRIES, ShimCalls, forget_script, install_script, ready_script
from tests.unit.waiting import until

if TYPE_CHECKING:
    from containerd_client import Containerd

SCRIPT = "/var/lib/cri-shim/shim-calls"
PLAIN = RuntimeHandler()


class Tasks:
    """Containerd's service of tasks, as far as it is needed: each creation ends as the test wants it."""

    def __init__(self, *failures: Exception | None) -> None:
        self.failures = list(failures)
        self.created: list[dict[str, object]] = []

    async def create(self, id_: str, **more: object) -> int:
        self.created.append({"id": id_, **more})
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        return 2**22 + 1  # above the highest pid of a kernel

    def end_shims(self, id_: str) -> None:
        """End the shims of an id that has no task."""
        self.created.append({"id": id_, "runtime_path": "none: shims ended"})

    @property
    def by(self) -> list[object]:
        """The program of each creation."""
        return [each.get("runtime_path", "") for each in self.created]


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = Paths(root=tmp_path / "root", state=tmp_path / "state")
    made.root.mkdir()
    made.container_state("c").mkdir(parents=True)
    return made


def calls(tasks: Tasks, paths: Paths, script: str = SCRIPT) -> ShimCalls:
    return ShimCalls(cast("Containerd", SimpleNamespace(tasks=tasks)), paths, script, tasks.end_shims)


async def test_a_container_tells_the_script_its_pod(paths):
    tasks = Tasks()
    assert await calls(tasks, paths).create_task("c", PLAIN, sandbox_id="pod", terminal=True)
    assert tasks.created == [{"id": "c", "terminal": True, "runtime_path": SCRIPT}]
    assert (paths.container_state("c") / "sandbox").read_text() == "pod"


async def test_a_pod_has_no_pod(paths):
    tasks = Tasks()
    await calls(tasks, paths).create_task("c", RuntimeHandler(options=RuncOptions(binary_name="crun")))
    assert tasks.by == [SCRIPT]
    assert not list(paths.container_state("c").iterdir())


@pytest.mark.parametrize(
    "handler",
    [RuntimeHandler(runtime_type="io.containerd.kata.v2"), RuntimeHandler(runtime_path="/opt/containerd-shim-runc-v2")],
)
async def test_other_shims_are_left_alone(paths, handler):
    """The script stands for one program, which it finds as containerd finds it."""
    tasks = Tasks()
    await calls(tasks, paths).create_task("c", handler, sandbox_id="pod")
    assert tasks.by == [""]


async def test_without_a_script_nothing_changes(paths):
    tasks = Tasks()
    await calls(tasks, paths, "").create_task("c", PLAIN, sandbox_id="pod")
    assert tasks.by == [""]
    assert not list(paths.container_state("c").iterdir())


@pytest.mark.parametrize(
    "why",
    [
        f"failed to start shim: failed to resolve runtime path: invalid custom binary path: stat {SCRIPT}: not there",
        f"failed to start shim: start failed: : fork/exec {SCRIPT}: permission denied: unknown",
    ],
)
async def test_where_the_script_cannot_be_run_the_program_is(paths, why):
    """A file system that forbids programs, or a containerd that sees other directories: it is given up in the end."""
    tasks = Tasks(*[Unknown("Create", why), None] * TRIES)
    made = calls(tasks, paths)
    with capture_logs() as logged:
        for _ in range(TRIES + 1):
            assert await made.create_task("c", PLAIN)
    assert tasks.by == [SCRIPT, "none: shims ended", ""] * TRIES + [""]
    assert [each["event"] for each in logged if each["log_level"] == "warning"] == ["shim_calls.not_used"]


async def test_a_failure_now_and_then_does_not_count(paths):
    """A shim has died a moment before a container of its pod was started: the script named the socket that it left."""
    refused = Unknown("Create", "failed to start shim: start failed: dial unix /run/containerd/s/1: connection refused")
    tasks = Tasks(*[refused, None, None] * TRIES)
    made = calls(tasks, paths)
    for _ in range(2 * TRIES):
        assert await made.create_task("c", PLAIN)
    assert tasks.by == [SCRIPT, "none: shims ended", "", SCRIPT] * TRIES


async def test_many_failures_at_once_are_said_once(paths):
    class Refusing(Tasks):
        async def create(self, id_: str, **more: object) -> int:
            await asyncio.sleep(0)
            self.failures = [Unknown("Create", "failed to start shim: fork/exec")] if "runtime_path" in more else []
            return await Tasks.create(self, id_, **more)

    made = calls(Refusing(), paths)
    with capture_logs() as logged:
        await asyncio.gather(*(made.create_task("c", PLAIN) for _ in range(TRIES + 2)))
    assert [each["event"] for each in logged if each["log_level"] == "warning"] == ["shim_calls.not_used"]


async def test_a_script_that_was_removed_is_written_again(paths):
    """Containerd needs it for the containers that were made with it, too."""
    tasks = Tasks(Unknown("Create", "failed to start shim: failed to resolve runtime path: no such file"))
    assert await calls(tasks, paths).create_task("c", PLAIN)
    await until(lambda: os.access(paths.shim_calls(), os.X_OK))


@pytest.mark.parametrize("script", [SCRIPT, ""])
async def test_a_script_that_is_gone_is_written_again(paths, script, monkeypatch):
    """Without a new task, too, unless it is not wanted."""
    monkeypatch.setattr(shim_calls, "KEEP_EVERY", 0.001)
    kept = asyncio.create_task(calls(Tasks(), paths, script).keep_script())
    try:
        for _ in range(2 if script else 0):
            async with asyncio.timeout(10):
                while not os.access(paths.shim_calls(), os.X_OK):
                    await asyncio.sleep(0.001)
            paths.shim_calls().unlink()
        await asyncio.sleep(0.02)
        assert paths.shim_calls().exists() == bool(script)
        assert not kept.done()
    finally:
        kept.cancel()


async def test_a_fault_that_the_program_has_as_well_is_not_the_scripts(paths):
    """The client gets the program's words, and the next task is created as before."""
    tasks = Tasks(Unknown("Create", "failed to start shim: by the script"), Unknown("Create", "by the program"))
    made = calls(tasks, paths)
    with pytest.raises(Unknown, match="by the program"):
        await made.create_task("c", PLAIN)
    await made.create_task("c", PLAIN)
    assert tasks.by == [SCRIPT, "none: shims ended", "", SCRIPT]


async def test_a_fault_of_the_runtime_is_reported_at_once(paths):
    tasks = Tasks(Unknown("Create", "failed to create shim task: OCI runtime create failed: no such command"))
    with pytest.raises(Unknown, match="no such command"):
        await calls(tasks, paths).create_task("c", PLAIN)
    assert tasks.by == [SCRIPT]


def test_the_script_is_written_once(paths):
    path = Path(install_script(paths))
    first = path.stat()
    assert path.parent == paths.root
    assert first.st_mode & 0o777 == 0o755
    assert install_script(paths) == str(path)
    assert path.stat().st_ino == first.st_ino
    assert [each.name for each in paths.root.iterdir()] == [path.name]


@pytest.mark.parametrize("spoil", [lambda path: path.write_text("exit 1\n"), lambda path: path.chmod(0o644)])
def test_a_changed_script_is_replaced(paths, spoil):
    """By another file, because a shell may be reading the old one."""
    path = Path(install_script(paths))
    good, old = path.read_bytes(), path.stat().st_ino
    with path.open("rb") as reading:
        spoil(path)
        install_script(paths)
        assert path.read_bytes() == good
        assert path.stat().st_mode & 0o777 == 0o755
        assert path.stat().st_ino != old
        assert reading.fileno()


def test_an_unwanted_script_stays(paths):
    """Containerd may still run it for containers that live."""
    path = Path(install_script(paths))
    assert ready_script(paths, enabled=False) == ""
    assert path.exists()


def test_a_script_that_cannot_be_written_is_done_without(paths):
    paths.shim_calls().mkdir()
    assert ready_script(paths, enabled=True) == ""


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A process 20 of a shim 10, which works in the bundle ``pod``."""
    made = tmp_path / "proc"
    (made / "20").mkdir(parents=True)
    (made / "20" / "stat").write_text("20 (a ) b) S 10 20 20 0")
    for name in ("pod", "c"):
        (tmp_path / "bundles" / name).mkdir(parents=True)
        (tmp_path / "bundles" / name / "shim-binary-path").write_text(SCRIPT)
        (tmp_path / "bundles" / name / "shim-calls-program").write_text("/usr/bin/containerd-shim-runc-v2")
    (made / "10").mkdir()
    (made / "10" / "cwd").symlink_to(tmp_path / "bundles" / "pod")
    return made


def test_containerd_finds_the_program_when_it_starts_again(proc):
    """In the note of that container only."""
    forget_script("c", 20, SCRIPT, proc)
    bundles = proc.parent / "bundles"
    assert (bundles / "c" / "shim-binary-path").read_text() == "/usr/bin/containerd-shim-runc-v2"
    assert (bundles / "pod" / "shim-binary-path").read_text() == SCRIPT


def test_without_the_programs_path_the_script_stays(proc):
    """It is the script of an earlier daemon, or the directory was full."""
    (proc.parent / "bundles" / "c" / "shim-calls-program").unlink()
    forget_script("c", 20, SCRIPT, proc)
    assert (proc.parent / "bundles" / "c" / "shim-binary-path").read_text() == SCRIPT


@pytest.mark.parametrize(("id_", "pid"), [("c", 21), ("d", 20)])
def test_a_process_that_has_ended_changes_nothing(proc, id_, pid):
    forget_script(id_, pid, SCRIPT, proc)
    assert (proc.parent / "bundles" / "c" / "shim-binary-path").read_text() == SCRIPT


def test_a_note_that_does_not_name_the_script_stays(proc):
    """Another program may have written it."""
    note = proc.parent / "bundles" / "c" / "shim-binary-path"
    note.write_text("/opt/shim")
    forget_script("c", 20, SCRIPT, proc)
    assert note.read_text() == "/opt/shim"
