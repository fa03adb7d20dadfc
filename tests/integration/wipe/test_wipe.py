"""`cri-shim wipe` on a real node: what is the daemon's goes, what is not stays, whatever state both are in."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.bridge import interpreter_settings, program
from lab.census import Census, wait_clean
from lab.containerd import children, unmount_below
from lab.lab import Lab
from lab.pod_configs import sh
from lab.pods import Pod
from lab.processes import kill_and_wait

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = [pytest.mark.root, pytest.mark.asyncio(loop_scope="session")]

MOODY = """import json, os, sys
given, command = json.load(sys.stdin), os.environ["CNI_COMMAND"]
if command == "VERSION":
    print(json.dumps({"cniVersion": "1.0.0", "supportedVersions": ["1.0.0"]}))
elif command == "DEL" and os.path.exists(__file__ + ".fails"):
    print(json.dumps({"cniVersion": "1.0.0", "code": 100, "msg": "in a bad mood"}))
    sys.exit(1)
elif command == "ADD":
    print(json.dumps(given["prevResult"]))
"""
"""A CNI plugin that hands on what those before it gave, and fails at DEL when it is told to."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    """The node; its daemon is stopped by most tests."""
    if shutil.which("containerd") is None:
        pytest.skip("containerd is not installed")
    plugins = tmp_path_factory.mktemp("cni")
    (plugins / "moody").write_text(f"#!{Path(sys.executable).resolve()} -IS\n{MOODY}")
    (plugins / "moody").chmod(0o755)
    settings = {"cni": {"bin_dir": "", "bin_dirs": ["/usr/lib/cni", str(plugins)]}}
    async with Lab("bridge", settings=settings, cni_plugins=({"type": "moody"},)) as lab:
        yield lab


@pytest_asyncio.fixture(loop_scope="session")
async def lab(node: Lab) -> AsyncIterator[Lab]:
    """The node with a running daemon and without pods."""
    if not node.containerd.daemon.alive:
        await asyncio.to_thread(node.containerd.start)
    if not node.bridge.daemon.alive:
        await asyncio.to_thread(node.bridge.start)
    yield node


@pytest.fixture
def bad_mood(node: Lab) -> Iterator[Path]:
    """Make every DEL fail while the file is there."""
    mood = Path(node.settings["cni"]["bin_dirs"][1], "moody.fails")
    mood.touch()
    yield mood
    mood.unlink(missing_ok=True)


def wipe(lab: Lab, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run the command; return its exit code, its document, and what it said on standard error."""
    command = [*program(), "wipe", "--config", str(lab.bridge.config_file), "-o", "json", *arguments]
    environment = {**os.environ, **interpreter_settings()}
    done = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False, env=environment)
    return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr


async def census(lab: Lab) -> Census:
    """Count, without what a daemon that runs holds open."""
    return replace(await asyncio.to_thread(Census.take, lab), fifos_held=frozenset())


async def two_pods(lab: Lab, tmp_path: Path) -> list[Pod]:
    """A pod with three containers (running, ended, not started), and a pod on the node's network."""
    pod = await Pod.run(lab.client, lab.busybox, cgroup_parent=lab.cgroup_parent, log_directory=tmp_path)
    await pod.start(command=sh("exec sleep 1000"))
    ending = await pod.start(command=sh("exit 3"))
    await ending.ended()
    await pod.create()
    other = await Pod.run(lab.client, lab.busybox, cgroup_parent=lab.cgroup_parent, network=cri.NODE)
    await other.start(command=sh("exec sleep 1000"))
    return [pod, other]


def nothing_left(lab: Lab) -> None:
    """Root and state are gone, and nothing is mounted."""
    assert not lab.root.exists(), list(lab.root.rglob("*"))
    assert not lab.state.exists(), list(lab.state.rglob("*"))


@contextlib.contextmanager
def foreign(lab: Lab) -> Iterator[list[tuple[str, str]]]:
    """Containers of another client: one in our namespace, one in a namespace of its own, both running."""
    run = ("run", "--detach", "--runc-root", str(lab.directory / "containerd" / "runc"))
    archive = lab.directory / "foreign.tar"
    lab.containerd.ctr("images", "export", str(archive), lab.busybox)
    lab.containerd.ctr("images", "import", str(archive), namespace="other")
    there = [("k8s.io", "theirs"), ("other", "theirs-too")]
    for namespace, name in there:
        lab.containerd.ctr(*run, lab.busybox, name, "sleep", "1000", namespace=namespace)
    yield there
    for namespace, name in there:
        lab.containerd.ctr("tasks", "delete", "--force", name, namespace=namespace)
        lab.containerd.ctr("containers", "delete", name, namespace=namespace)
    lab.containerd.ctr("images", "remove", lab.busybox, namespace="other")
    archive.unlink()


async def test_a_dry_run_names_everything_and_removes_nothing(lab: Lab, tmp_path: Path) -> None:
    """Then the same command with --yes removes all of it, and what others have stays."""
    with foreign(lab) as theirs:
        before = await census(lab)
        pods = await two_pods(lab, tmp_path)
        lab.bridge.kill9()
        with_pods = await census(lab)
        code, shown, said = await asyncio.to_thread(wipe, lab)
        assert (code, said) == (0, "")
        assert shown["dry_run"]
        counts = {kind: len(names) for kind, names in shown["found"].items()}
        assert counts["pods"] == 2
        assert counts["containers"] == 4
        assert {"tasks", "snapshots", "networks", "reservations", "namespaces", "mounts", "cgroups", "shims"} <= {
            kind for kind, count in counts.items() if count
        }
        assert shown["of_others"] == {"pods of containerd's CRI plugin": 0, "containers of other clients": 1}
        assert with_pods.difference(await census(lab)) == ""
        code, removed, said = await asyncio.to_thread(wipe, lab, "--yes")
        assert code == 0, (removed, said)
        assert removed["found"] == shown["found"]
        assert not any(removed["left"].values())
        assert await wait_clean(lab, before) == ""
        nothing_left(lab)
        for namespace, name in theirs:
            assert f"{name} " in lab.containerd.ctr("tasks", "list", namespace=namespace)
            assert "RUNNING" in lab.containerd.ctr("tasks", "list", namespace=namespace)
        assert pods[0].id not in lab.containerd.ctr("snapshots", "list")
    code, again, _ = await asyncio.to_thread(wipe, lab, "--yes")
    assert code == 0
    assert not any(again["found"].values())


async def test_a_daemon_that_runs_is_not_disturbed(lab: Lab, tmp_path: Path) -> None:
    """The refusal names its process."""
    pod = await Pod.run(lab.client, lab.busybox, cgroup_parent=lab.cgroup_parent)
    for arguments in ((), ("--yes",), ("--yes", "--offline")):
        code, _, said = await asyncio.to_thread(wipe, lab, *arguments)
        assert code == 1
        assert f"process {lab.bridge.daemon.pid}" in said
    assert (await pod.status()).state == cri.SANDBOX_READY
    await pod.remove()


async def test_a_daemon_with_another_configuration_is_not_disturbed(lab: Lab, tmp_path: Path) -> None:
    """Its pods are in the same containerd, and the locks of the directories that were named are free."""
    pod = await Pod.run(lab.client, lab.busybox, cgroup_parent=lab.cgroup_parent)
    other = tmp_path / "other.toml"
    other.write_text(lab.bridge.config_file.read_text().replace(str(lab.bridge.directory), str(tmp_path / "other")))
    for arguments in ((), ("--yes",)):
        code, _, said = await asyncio.to_thread(wipe, lab, *arguments, "--config", str(other))
        assert code == 1
        assert f"--config {lab.bridge.config_file} (process {lab.bridge.daemon.pid})" in said
    assert (await pod.status()).state == cri.SANDBOX_READY
    assert not (tmp_path / "other").exists()
    await pod.remove()


async def test_what_cannot_be_detached_stays_until_it_can(lab: Lab, tmp_path: Path, bad_mood: Path) -> None:
    """Everything else is removed; the next run removes the rest."""
    before = await census(lab)
    pods = await two_pods(lab, tmp_path)
    lab.bridge.stop()
    code, removed, _ = await asyncio.to_thread(wipe, lab, "--yes")
    assert code == 1
    assert len(removed["found"]["pods"]) == 2
    assert [name.split()[0] for name in removed["left"]["pods"]] == [pods[0].id[:13]]
    assert any("in a bad mood" in one["error"] for one in removed["errors"])
    bad_mood.unlink()
    code, removed, said = await asyncio.to_thread(wipe, lab, "--yes")
    assert code == 0, (removed, said)
    assert await wait_clean(lab, before) == ""
    nothing_left(lab)


async def test_records_that_are_gone_do_not_hide_the_rest(lab: Lab, tmp_path: Path) -> None:
    """Somebody has deleted them behind the daemon's back, with everything else still there."""
    before = await census(lab)
    await two_pods(lab, tmp_path)
    lab.bridge.kill9()
    for id_ in lab.containerd.ctr("containers", "list", "--quiet").split():
        with contextlib.suppress(RuntimeError):
            lab.containerd.ctr("containers", "delete", "--keep-snapshot", id_)
    code, removed, said = await asyncio.to_thread(wipe, lab, "--yes")
    assert code == 0, (removed, said)
    assert await wait_clean(lab, before) == ""
    nothing_left(lab)


async def test_what_is_no_directory_goes_too(lab: Lab, tmp_path: Path) -> None:
    """Files and links among the directories of pods, with names of any kind; what a link leads to stays."""
    await two_pods(lab, tmp_path)
    lab.bridge.kill9()
    precious = tmp_path / "elsewhere" / "netns"
    precious.parent.mkdir()
    precious.write_text("/run/netns/of-others")
    tops = [top / kind for top in (lab.root, lab.state) for kind in ("sandboxes", "containers")]
    for top in (*tops, lab.state / "idmapped", lab.state / "image-mounts"):
        (top / "README").touch()
        (top / f"{'a' * 63}1").touch()
        (top / f"{'a' * 63}2").symlink_to(precious.parent)
        (top / f"{'a' * 63}3").symlink_to("/nowhere")
    code, removed, said = await asyncio.to_thread(wipe, lab, "--yes")
    assert code == 0, (removed, said)
    nothing_left(lab)
    assert precious.read_text() == "/run/netns/of-others"


async def test_state_that_is_gone_does_not_hide_the_rest(lab: Lab, tmp_path: Path) -> None:
    """Somebody has removed the directories; the records lead to what is left."""
    before = await census(lab)
    await two_pods(lab, tmp_path)
    lab.bridge.kill9()
    shutil.rmtree(lab.root)
    for path in (*lab.state.glob("sandboxes/*/shm"),):
        subprocess.run(["umount", "--lazy", str(path)], check=False)
    shutil.rmtree(lab.state / "sandboxes")
    code, removed, said = await asyncio.to_thread(wipe, lab, "--yes")
    assert code == 0, (removed, said)
    assert await wait_clean(lab, before) == ""
    nothing_left(lab)


def reboot(lab: Lab) -> None:
    """Leave what a reboot leaves: no process, no mount, no state; everything on the disk as it was."""
    lab.bridge.kill9()
    lab.containerd.kill9()
    for pid, _ in lab.containerd.shims():
        for child in children(pid):
            kill_and_wait(child)
        kill_and_wait(pid)
    lab.network.cleanup_kernel()
    unmount_below(lab.directory)
    for directory in (lab.state, lab.containerd.state, lab.directory / "containerd" / "runc"):
        shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.parametrize("offline", [False, True], ids=["online", "offline"])
async def test_after_a_reboot(lab: Lab, tmp_path: Path, offline: bool) -> None:
    """Nothing runs; addresses are still reserved. Without containerd only its own records stay."""
    before = await census(lab)
    await two_pods(lab, tmp_path)
    await asyncio.to_thread(reboot, lab)
    if offline:
        code, _, said = await asyncio.to_thread(wipe, lab, "--yes")
        assert code == 1
        assert "--offline" in said
        code, removed, said = await asyncio.to_thread(wipe, lab, "--yes", "--offline")
        assert code == 0, (removed, said)
        assert removed["found"]["reservations"]
        assert not lab.network.reservations()
        assert not lab.network.cached_results()
        nothing_left(lab)
    await asyncio.to_thread(lab.containerd.start)
    code, removed, said = await asyncio.to_thread(wipe, lab, "--yes")
    assert code == 0, (removed, said)
    assert not lab.network.reservations()
    assert not lab.network.cached_results()
    assert await wait_clean(lab, before) == ""
    nothing_left(lab)


async def test_without_containerd_running_containers_stay(lab: Lab, tmp_path: Path) -> None:
    """What they use must not be taken away from under them."""
    before = await census(lab)
    await two_pods(lab, tmp_path)
    lab.bridge.kill9()
    lab.containerd.kill9()
    code, _, said = await asyncio.to_thread(wipe, lab, "--yes", "--offline")
    assert code == 1
    assert "still run" in said
    await asyncio.to_thread(lab.containerd.start)
    code, removed, said = await asyncio.to_thread(wipe, lab, "--yes")
    assert code == 0, (removed, said)
    assert await wait_clean(lab, before) == ""


async def test_images_go_only_when_asked(lab: Lab) -> None:
    """And those of others never."""
    assert await asyncio.to_thread(lab.bridge.stop) == 0
    lab.containerd.ctr("images", "tag", lab.busybox, "docker.io/library/theirs:1")
    lab.containerd.ctr("images", "label", "docker.io/library/theirs:1", "io.cri-containerd.image=")
    code, removed, _ = await asyncio.to_thread(wipe, lab, "--yes")
    assert code == 0
    assert lab.busybox in lab.containerd.ctr("images", "list", "--quiet")
    code, removed, said = await asyncio.to_thread(wipe, lab, "--yes", "--images")
    assert code == 0, (removed, said)
    assert lab.busybox in removed["found"]["images"]
    assert lab.containerd.ctr("images", "list", "--quiet").split() == ["docker.io/library/theirs:1"]
