"""A pod by hand: the order of its steps, what overlaps, and that nothing stays whatever step fails."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import pytest

from cri_shim.bench.floor import container as container_module
from cri_shim.bench.floor import pod as pod_module
from cri_shim.bench.floor.cni import Attachment
from cri_shim.bench.floor.errors import FloorError
from cri_shim.bench.floor.pod import Pod
from cri_shim.bench.floor.recipe import ORDERS, WITH_PAUSE, WITHOUT_PAUSE
from cri_shim.kernel.recording import RecordingKernel
from tests.unit.bench.floor.made_up import FakeRunc, called, recipe, write_plugin

COMMANDS = [f"{command} {name}" for command in ("create", "start", "kill", "delete") for name in ("pause", "container")]


@pytest.fixture
def kernel(monkeypatch):
    """No namespace and no mount is made."""
    fake = RecordingKernel()
    monkeypatch.setattr(container_module, "KERNEL", fake)
    monkeypatch.setattr(pod_module, "KERNEL", fake)
    return fake


@pytest.fixture(autouse=True)
def plugins(tmp_path):
    """A network of two plugins."""
    for name in ("first", "second"):
        write_plugin(tmp_path, name)


def pod_of(tmp_path, runc, kind=WITH_PAUSE) -> Pod:
    return Pod(recipe(tmp_path, sysctls={"net/x": "1"}), runc, tmp_path / "pods" / "floor-1-0", kind)


def is_gone(tmp_path, kernel, runc) -> bool:
    """Whether mounts, namespaces, folders, processes and the attachment of the pod are."""
    commands = [words[1] for words in called(tmp_path)]
    detached = "ADD" not in commands or commands[-2:] == ["DEL", "DEL"]
    folders = [
        path for place in ("pods", "disk") if (tmp_path / place).exists() for path in (tmp_path / place).iterdir()
    ]
    return detached and not folders and not kernel.mounts and not kernel.namespaces and not runc.sleeps


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", [WITH_PAUSE, WITHOUT_PAUSE])
def test_a_whole_life(tmp_path, kernel, order, kind):
    """Every container is created, started, killed and deleted once, and nothing is left to undo."""
    runc = FakeRunc()
    pod = pod_of(tmp_path, runc, kind)
    assert pod.start(order) > 0
    pod.check()
    assert not is_gone(tmp_path, kernel, runc)
    assert pod.end(order) > 0
    did = list(runc.did)
    pod.close()
    assert runc.did == did
    assert sorted(did) == sorted(word for word in COMMANDS if kind == WITH_PAUSE or "container" in word)
    assert is_gone(tmp_path, kernel, runc)
    names = ("container", "pause") if kind == WITH_PAUSE else ("container",)
    assert {f"runc {command} {name}" for command in ("create", "start", "kill", "delete") for name in names} <= set(
        pod.stages.ms
    )


def test_serial_is_one_step_after_the_other(tmp_path, kernel):
    """Network, pause, container; then the container, the network, and pause."""
    runc = FakeRunc(before=lambda command: seen.append((command, len(called(tmp_path)))))
    seen: list[tuple[str, int]] = []
    pod = pod_of(tmp_path, runc)
    pod.start("serial")
    pod.end("serial")
    start, end = 2, 4  # how many plugins had run
    assert seen == [
        *((f"{command} {name}", start) for name in ("pause", "container") for command in ("create", "start")),
        *((f"{command} container", start) for command in ("kill", "delete")),
        *((f"{command} pause", end) for command in ("kill", "delete")),
    ]
    assert kernel.names()[0] == "new_pod_namespaces"


def test_overlapped_starts_pause_while_the_network_is_made(tmp_path, kernel, monkeypatch):
    """Both wait for each other here, at the start and at the end; the container waits for the address."""
    start, end = threading.Barrier(2, timeout=20), threading.Barrier(2, timeout=20)
    meets = {"create pause": start, "ADD first": start, "delete container": end, "DEL second": end}
    attached = threading.Event()

    def meet(step: str) -> None:
        if step in meets:
            meets[step].wait()
        if step == "create container":
            assert attached.is_set()

    real = Attachment._run

    def run(self, command, plugin, previous):
        meet(f"{command} {plugin['type']}")
        answer = real(self, command, plugin, previous)
        if (command, plugin["type"]) == ("ADD", "second"):
            attached.set()
        return answer

    monkeypatch.setattr(Attachment, "_run", run)
    runc = FakeRunc(before=meet)
    pod = pod_of(tmp_path, runc)
    pod.start("overlapped")
    pod.end("overlapped")
    assert is_gone(tmp_path, kernel, runc)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("fail_at", COMMANDS)
def test_nothing_stays_when_runc_fails(tmp_path, kernel, order, fail_at):
    """Whatever step it is: containers by force, then mounts, network, namespaces and folders."""
    runc = FakeRunc(fail_at)
    pod = pod_of(tmp_path, runc)
    with pytest.raises(FloorError, match=fail_at), closing(pod):
        pod.start(order)
        pod.end(order)
    assert is_gone(tmp_path, kernel, runc)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("plugin", ["first", "second"])
def test_nothing_stays_when_a_plugin_fails(tmp_path, kernel, order, plugin):
    """A failed ADD is followed by a DEL of the whole chain."""
    write_plugin(tmp_path, plugin, fails_at="ADD")
    runc = FakeRunc()
    with pytest.raises(FloorError, match=f"CNI ADD of {plugin}"), closing(pod_of(tmp_path, runc)) as pod:
        pod.start(order)
    assert is_gone(tmp_path, kernel, runc)


@pytest.mark.parametrize("call", ["mount", "new_pod_namespaces"])
def test_nothing_stays_when_the_kernel_refuses(tmp_path, kernel, call):
    """A mount or a namespace that cannot be made."""
    kernel.fail[call] = PermissionError(1, "not permitted", "x")
    runc = FakeRunc()
    with pytest.raises(PermissionError), closing(pod_of(tmp_path, runc)) as pod:
        pod.start("serial")
    assert is_gone(tmp_path, kernel, runc)


def test_a_container_that_ends_at_once_was_not_started(tmp_path, kernel):
    """Else a program that fails would make the floor lower."""
    runc = FakeRunc()
    with (
        pytest.raises(FloorError, match="the container process of the floor ended"),
        closing(pod_of(tmp_path, runc, WITHOUT_PAUSE)) as pod,
    ):
        pod.start("serial")
        sleep = runc.sleeps["floor-1-0-container"]
        sleep.kill()
        sleep.wait()
        pod.check()
    assert is_gone(tmp_path, kernel, runc)


def test_roots_are_the_sides_layers_under_folders_of_its_own(tmp_path, kernel):
    """The overlay has the side's options; bundles have spec and files."""
    runc = FakeRunc()
    pod = pod_of(tmp_path, runc)
    pod.start("serial")
    mounts = [call.args for call in kernel.calls if call.name == "mount" and call.args[2] == "overlay"]
    upper = Path(tmp_path, "disk", "floor-1-0", "pause")
    assert mounts[0][4] == f"lowerdir=/layers/0,upperdir={upper}/upper,workdir={upper}/work,index=off"
    assert (pod.folder / "made" / "0-hosts").read_text() == "127.0.0.1 localhost\n"
    assert '"rootfs"' in (pod.folder / "container" / "config.json").read_text()
    pod.end("serial")


@pytest.mark.parametrize(("kind", "sysctls"), [(WITH_PAUSE, {}), (WITHOUT_PAUSE, {"net/x": "1"})])
def test_sysctls_are_written_once(tmp_path, kernel, kind, sysctls):
    """By runc for a pause's spec, else into the namespaces."""
    pod = pod_of(tmp_path, FakeRunc(), kind)
    pod.start("serial")
    assert next(call.args for call in kernel.calls if call.name == "new_pod_namespaces")[1:] == ("made-up", sysctls)
    pod.end("serial")
