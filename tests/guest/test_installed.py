"""The shipped systemd units under a real systemd: start, readiness, watchdog, restarts under running pods, and stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest
import pytest_asyncio

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cgroup_driver import ROOT
from lab.cri_client import CriClient
from lab.patience import patient
from lab.pod_configs import sh
from lab.pods import Pod
from tests.guest.installed import SETTINGS, SOCKET, UNIT, allowed, connected, installed, journal, shown, systemctl

pytestmark = [
    pytest.mark.root,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(not allowed(), reason="installs units on a machine of its own: make test-guest"),
]
# A line every tenth of a second, each with its number.
COUNT = sh("i=0; while :; do i=$((i+1)); echo line $i; sleep 0.1; done")
SLICE = ROOT / "kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice"
SHORT_WATCHDOG = Path(f"/run/systemd/system/{UNIT}.d/10-short-watchdog.conf")
WATCHDOG_SECONDS = round(patient(2))


@pytest.fixture(scope="module")
def machine():
    """This machine with the project installed on it."""
    with installed() as installed_machine:
        yield installed_machine


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client(machine):
    """A client of the installed daemon."""
    async with connected() as cri_client:
        await cri_client.PullImage(image={"image": machine.image})
        yield cri_client


@pytest_asyncio.fixture(loop_scope="session")
async def pod(client, machine, tmp_path):
    """A pod in a slice as the kubelet makes it, removed afterwards."""
    running = await Pod.run(client, machine.image, log_directory=tmp_path, cgroup_parent=SLICE.name)
    yield running
    await running.remove()


def every_line_once(container):
    """The container has logged the numbers from 1 on, each once."""
    numbers = [int(entry.content.split()[1]) for entry in container.entries()]
    assert numbers == list(range(1, len(numbers) + 1))


async def more_lines(container, count=10):
    """Wait until the log has grown by some lines."""
    wanted = len(container.entries()) + count
    deadline = time.monotonic() + patient(60)
    while len(container.entries()) < wanted:
        assert time.monotonic() < deadline, f"{len(container.entries())} of {wanted} lines\n{journal()[-3000:]}"
        await asyncio.sleep(0.1)


async def test_started_means_serving(machine, client):
    """`systemctl start` returns when requests are answered: the first one, without any patience, is."""
    await asyncio.to_thread(systemctl, "stop", UNIT)
    await asyncio.to_thread(systemctl, "start", UNIT)
    async with CriClient(f"unix://{SOCKET}") as fresh:
        conditions = {one.type: one.status for one in (await fresh.Status()).status.conditions}
        assert (await fresh.ListPodSandbox()).items == []
    assert conditions["RuntimeReady"]
    assert conditions["NetworkReady"]
    assert (shown("ActiveState"), shown("Type"), shown("StatusText") != "") == ("active", "notify", True)


async def test_the_socket_is_for_root_alone(client):
    """The socket is 0660, root's; the folder of the state can be passed through but not listed, root's is closed."""
    status = SOCKET.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o660, 0, 0)
    for folder, mode in (("/run/cri-shim", 0o711), ("/var/lib/cri-shim", 0o700)):
        assert stat.S_IMODE(Path(folder).stat().st_mode) == mode


async def test_containerd_has_no_cri_of_its_own(client):
    """With the drop-in, containerd runs with our file, and its socket serves no CRI."""
    async with CriClient("unix:///run/containerd/containerd.sock") as plugin:
        with pytest.raises(Exception, match="unknown service runtime"):
            await plugin.Version()
    assert "/etc/cri-shim/containerd.toml" in shown("ExecStart", "containerd.service")


async def test_the_daemon_shares_the_machines_mounts(machine, client):
    """The service has no mount namespace of its own: containerd must see what the daemon mounts."""
    assert os.readlink(f"/proc/{machine.pid}/ns/mnt") == os.readlink("/proc/1/ns/mnt")


async def test_the_unit_needs_no_delegation(machine, pod):
    """No container is in the daemon's cgroup, it makes none in it, and moves into it are allowed (docs/adr/0022)."""
    await pod.start()
    own = ROOT / "system.slice" / UNIT
    assert str(machine.pid) in (own / "cgroup.procs").read_text().split()
    assert not [each for each in own.iterdir() if each.is_dir()]
    assert (own / "cgroup.subtree_control").read_text().strip() == ""
    assert shown("Delegate") == "no"
    (own / "cgroup.procs").write_text(str(machine.pid))


async def test_a_slice_of_its_own(machine, client):
    """An operator who reserves resources for the pods' daemons puts it into a slice by a drop-in, before pods run.

    Under pods its FIFO holder outlives it in the unit's cgroup, which systemd then keeps where it is.
    """
    drop_in = Path(f"/run/systemd/system/{UNIT}.d/20-slice.conf")
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text("[Service]\nSlice=podruntime.slice\n")
    try:
        await in_slice(machine, "podruntime.slice")
    finally:
        drop_in.unlink()
        await in_slice(machine, "system.slice")


async def in_slice(machine, name):
    """Restart the daemon and wait until it is in a slice, and answers."""
    await asyncio.to_thread(systemctl, "daemon-reload")
    await asyncio.to_thread(systemctl, "stop", UNIT)
    await asyncio.to_thread(machine.until, lambda: shown("ControlGroup") == "")
    await asyncio.to_thread(systemctl, "start", UNIT)
    assert Path(f"/proc/{machine.pid}/cgroup").read_text() == f"0::/{name}/{UNIT}\n"
    async with connected() as fresh:
        await fresh.Version()


async def test_the_kubelet_learns_the_systemd_driver(client, pod):
    """RuntimeConfig says systemd, and the pod's scopes are in the slice that it named."""
    answer = await client.RuntimeConfig()
    assert answer.linux.cgroup_driver == cri.SYSTEMD
    container = await pod.start()
    for id_ in (pod.id, container.id):
        assert (SLICE / f"cri-containerd-{id_}.scope/cgroup.procs").read_text().split()
        assert shown("ActiveState", f"cri-containerd-{id_}.scope") == "active"


async def test_the_out_of_memory_scores(machine, pod):
    """The daemon has the unit's score, the pod's holder -998, and a container the one it asks for, however low."""
    assert Path(f"/proc/{machine.pid}/oom_score_adj").read_text().strip() == "-999"
    holder = json.loads((await pod.client.PodSandboxStatus(pod_sandbox_id=pod.id, verbose=True)).info["info"])["pid"]
    assert Path(f"/proc/{holder}/oom_score_adj").read_text().strip() == "-998"
    script = "cat /proc/self/oom_score_adj"
    assert await pod.output(script, resources={"oom_score_adj": -997}) == "-997"
    assert await pod.output(script, resources={"oom_score_adj": 1000}) == "1000"
    assert await pod.output(script) == "0"


async def test_huge_page_limits(pod):
    """Where the configuration allows them, limits on huge pages are in the file of that page size."""
    container = await pod.start(resources={"hugepage_limits": [{"page_size": "2MB", "limit": 4 << 20}]})
    assert (SLICE / f"cri-containerd-{container.id}.scope/hugetlb.2MB.max").read_text().strip() == str(4 << 20)


async def test_a_restart_under_a_running_pod(machine, pod):
    """Pods do not notice a restart: the same process runs on, and no line of its log is missing or there twice."""
    container = await pod.start(command=COUNT)
    await more_lines(container)
    before, process = machine.pid, await pid_of(container)
    await asyncio.to_thread(systemctl, "restart", UNIT)
    assert machine.pid not in {0, before}
    await more_lines(container)
    assert await pid_of(container) == process
    every_line_once(container)


async def test_what_ends_while_the_daemon_is_stopped(machine, pod, tmp_path):
    """The last words of a container that ends in between wait with the FIFO holder, and its exit code is known."""
    sign = tmp_path / "go"
    script = "echo first; until test -e /signs/go; do sleep 0.1; done; echo last words; exit 7"
    mounts = [{"container_path": "/signs", "host_path": str(tmp_path)}]
    container = await pod.start(command=sh(script), mounts=mounts)
    await container.logged("first", 60)
    process = await pid_of(container)
    await asyncio.to_thread(systemctl, "stop", UNIT)
    assert (shown("ActiveState"), shown("Result"), machine.pid) == ("inactive", "success", 0)
    assert any("fifo_holder" in line for line in left_in_the_units_cgroup())
    sign.touch()
    await asyncio.to_thread(machine.until, lambda: not Path(f"/proc/{process}").exists())
    await asyncio.to_thread(systemctl, "start", UNIT)
    status = await container.ended(60)
    assert (status.exit_code, status.reason) == (7, "Error")
    assert (await container.logged("last words", 60)).splitlines() == ["first", "last words"]


async def test_a_daemon_that_is_killed_comes_back(machine, pod):
    """systemd starts it again after a SIGKILL; the pod runs on and its log has every line."""
    container = await pod.start(command=COUNT)
    await more_lines(container)
    before, restarts = machine.pid, int(shown("NRestarts"))
    os.kill(before, signal.SIGKILL)
    await asyncio.to_thread(machine.until, lambda: machine.pid not in {0, before} and shown("ActiveState") == "active")
    assert int(shown("NRestarts")) == restarts + 1
    await more_lines(container)
    assert (await container.status()).state == cri.CONTAINER_RUNNING
    every_line_once(container)


async def test_the_watchdog(machine, pod):
    """A daemon that gives signs of life is left alone; one that is stuck is replaced, and the pod runs on."""
    container = await pod.start(command=COUNT)
    SHORT_WATCHDOG.parent.mkdir(parents=True, exist_ok=True)
    SHORT_WATCHDOG.write_text(f"[Service]\nWatchdogSec={WATCHDOG_SECONDS}\n")
    try:
        await asyncio.to_thread(systemctl, "daemon-reload")
        await asyncio.to_thread(systemctl, "restart", UNIT)
        before = machine.pid
        await asyncio.sleep(2.2 * WATCHDOG_SECONDS)
        assert machine.pid == before
        os.kill(before, signal.SIGSTOP)
        await asyncio.to_thread(machine.until, lambda: machine.pid not in {0, before})
        await asyncio.to_thread(machine.until, lambda: shown("ActiveState") == "active")
        assert "Watchdog timeout" in journal()
        await more_lines(container)
        assert (await container.status()).state == cri.CONTAINER_RUNNING
    finally:
        SHORT_WATCHDOG.unlink()
        await asyncio.to_thread(systemctl, "daemon-reload")
        await asyncio.to_thread(systemctl, "restart", UNIT)


async def test_containerd_is_restarted_under_the_daemon(machine, client, pod):
    """A restart of containerd does not restart the daemon: it comes back to it, and pods can be made again."""
    container = await pod.start(command=COUNT)
    before = machine.pid
    await asyncio.to_thread(systemctl, "restart", "containerd")
    deadline = time.monotonic() + patient(60)
    while not all(one.status for one in (await client.Status()).status.conditions if one.type == "RuntimeReady"):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)
    assert machine.pid == before
    assert await pod.output("echo hello") == "hello"
    assert (await container.status()).state == cri.CONTAINER_RUNNING


async def test_the_journal_knows_what_is_how_bad(client, pod):
    """Lines reach the journal under the daemon's name, with priorities, and without a time of their own."""
    with pytest.raises(Exception, match="no-such-program"):
        await (await pod.create(command=("no-such-program",))).start()
    lines = [json.loads(line) for line in journal("--output=json", "_TRANSPORT=stdout").splitlines()]
    said = [one for one in lines if one.get("_COMM") == "cri-shim" or one.get("SYSLOG_IDENTIFIER") == "cri-shim"]
    assert {one["PRIORITY"] for one in said} >= {"6"}
    assert any(int(one["PRIORITY"]) <= 4 and "rpc.failed" in one["MESSAGE"] for one in said)
    assert not any(one["MESSAGE"].startswith("20") for one in said)


@pytest.fixture
def settings(machine):
    """The configuration file, which is as before after the test, and the daemon with it."""
    file = SETTINGS / "config.toml"
    text = file.read_text()
    yield file
    file.write_text(text)
    systemctl("reload-or-restart", UNIT)


async def test_a_reload(machine, client, pod, settings):
    """`systemctl reload` makes the daemon log more, names what waits for a restart, and disturbs nothing."""
    container = await pod.start(command=COUNT)
    before, restarts, since = machine.pid, shown("NRestarts"), now()
    settings.write_text('log_level = "debug"\nsocket_mode = "0600"\n' + settings.read_text())
    await asyncio.to_thread(systemctl, "reload", UNIT)
    await asyncio.to_thread(machine.until, lambda: "daemon.reloaded" in journal("--since", since))
    await client.Status()
    await asyncio.to_thread(machine.until, lambda: "7" in priorities(since))
    assert "daemon.restart_needed" in journal("--since", since)
    assert "socket_mode" in journal("--since", since)
    assert stat.S_IMODE(SOCKET.stat().st_mode) == 0o660
    assert (machine.pid, shown("NRestarts"), shown("ActiveState")) == (before, restarts, "active")
    await more_lines(container)
    every_line_once(container)


@pytest.mark.parametrize("wrong", ['log_level = "loud"\n', "no_such_key = 1\n", "= not toml"])
async def test_a_reload_of_a_wrong_file(machine, pod, settings, wrong):
    """`systemctl reload` fails and says why; the daemon goes on with what it had, and answers."""
    container = await pod.start()
    before = machine.pid
    settings.write_text(wrong + settings.read_text())
    done = await asyncio.to_thread(
        subprocess.run, ["systemctl", "reload", UNIT], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert (machine.pid, shown("ActiveState")) == (before, "active")
    assert (await container.status()).state == cri.CONTAINER_RUNNING
    assert await pod.output("echo hello") == "hello"


def now():
    """The time in the journal's form."""
    return f"@{time.time():.3f}"


def priorities(since):
    """The priorities of the journal's lines since then."""
    lines = journal("--since", since, "--output=json", "_TRANSPORT=stdout").splitlines()
    return {json.loads(line).get("PRIORITY") for line in lines}


async def pid_of(container):
    """The process of a container."""
    answer = await container.client.ContainerStatus(container_id=container.id, verbose=True)
    return json.loads(answer.info["info"])["pid"]


def left_in_the_units_cgroup():
    """The command lines of what runs in the unit's cgroup."""
    processes = (ROOT / "system.slice" / UNIT / "cgroup.procs").read_text().split()
    return [Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ") for process in processes]


async def test_the_doctor_has_nothing_to_say_of_the_units(machine):
    """A node that was installed as docs/operating.md says has no errors, and proper units, cgroups and mounts.

    The sandbox image may not be in containerd yet, and the registry is asked.
    """
    command = ["/usr/bin/cri-shim", "doctor", "--network", "-o", "json"]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=patient(60), check=False
    )
    report = json.loads(done.stdout)
    assert [each for each in report["findings"] if each["severity"] in {"error", "unknown"}] == []
    assert done.returncode == 0
    fine = {each["code"] for each in report["fine"]}
    assert {"mounts-hidden", "mounts-not-shared", "nofile-low", "oom-score-clamped", "cgroup-two-managers"} <= fine
    assert {"cgroup-v1", "cgroup-controller-not-delegated", "daemon-not-running", "two-daemons"} <= fine
