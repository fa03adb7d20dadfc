"""Every subcommand of a real crictl does its work against the daemon; a subcommand without a test fails the last test.

``CRICTL=/path/to/crictl pytest tests/integration/crictl``
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import socket
import stat
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from lab.pod_configs import sh

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
TESTED: set[str] = {"help"}
TRANSPORTS = pytest.mark.parametrize("transport", ["spdy", "websocket"])


def of(*commands: str) -> Callable[[Any], Any]:
    """Say which subcommands a test is of."""
    TESTED.update(commands)
    return lambda test: test


async def until(condition, seconds=60):
    """Wait for what an awaited condition gives; it then."""
    for _ in range(seconds * 10):
        if result := await condition():
            return result
        await asyncio.sleep(0.1)
    raise AssertionError(f"not within {seconds} s")


async def ended(process):
    """End a crictl that goes on by itself."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


@of("version", "info", "runtime-config", "update-runtime-config")
async def test_the_runtime(crictl):
    """Name and version, a ready status with its details, the cgroup driver; a pod CIDR is taken."""
    assert re.search(r"RuntimeName:\s+\S+.*RuntimeApiVersion:\s+v1", (await crictl("version")).out, re.DOTALL)
    info = (await crictl("info")).json()
    assert {"RuntimeReady", "NetworkReady"} <= {each["type"] for each in info["status"]["conditions"] if each["status"]}
    assert info["config"]
    assert "CGROUPFS" in (await crictl("runtime-config")).out
    await crictl("update-runtime-config", "--pod-cidr", "10.1.2.0/24")


@of("config", "completion")
async def test_of_its_own(crictl):
    """What it does without a runtime works with the configuration that the other tests use."""
    assert crictl.lab.endpoint in (await crictl("config", "--get", "runtime-endpoint")).out
    assert "image-endpoint" in (await crictl("config", "--list")).out
    assert "crictl" in (await crictl("completion", "bash")).out


@of("pull", "images", "inspecti", "rmi", "imagefsinfo")
async def test_images(crictl):
    """An image is pulled, listed, inspected, removed, and gone; the pinned one stays in a prune; the disk is told."""
    name = crictl.lab.busybox
    assert "up to date" in (await crictl("pull", name)).out
    image_list = (await crictl("images", "-o", "json")).json()["images"]
    assert {crictl.lab.busybox, crictl.lab.pause} <= {tag for image in image_list for tag in image["repoTags"]}
    assert "busybox" in (await crictl("images")).out
    inspected = (await crictl("inspecti", name)).json()
    assert name in inspected["status"]["repoTags"]
    assert inspected["info"]["imageSpec"]["architecture"]

    async def usage_is_known():  # it is sampled now and then
        (disk,) = (await crictl("imagefsinfo", "-o", "json")).json()["status"]["imageFilesystems"]
        assert disk["fsId"]["mountpoint"]
        return int(disk["usedBytes"]["value"]) > 0

    await until(usage_is_known)
    await crictl("rmi", name)
    assert (await crictl.fails("inspecti", name)).code != 0
    await crictl("pull", name)
    await crictl("rmi", "--prune")
    left = {tag for image in (await crictl("images", "-o", "json")).json()["images"] for tag in image["repoTags"]}
    assert crictl.lab.pause in left
    assert name not in left
    await crictl("pull", name)


@of("runp", "pods", "inspectp", "stopp", "rmp")
async def test_the_life_of_a_pod(crictl):
    """A pod is run, listed as ready, inspected with its address, stopped, listed as not ready, removed."""
    pod = (await crictl("runp", crictl.pod_file(labels={"app": "here"}))).out.strip()
    assert (await crictl("pods", "-q", "--label", "app=here", "--state", "Ready")).out.split() == [pod]
    assert pod[:13] in (await crictl("pods")).out
    inspected = (await crictl("inspectp", pod)).json()
    assert inspected["status"]["state"] == "SANDBOX_READY"
    assert inspected["status"]["network"]["ip"]
    assert inspected["info"]["runtimeSpec"]["linux"]
    assert pod in (await crictl("stopp", pod)).out
    assert (await crictl("pods", "-q", "--state", "NotReady")).out.split() == [pod]
    assert pod in (await crictl("rmp", pod)).out
    assert (await crictl("pods", "-q")).out == ""
    await crictl("runp", crictl.pod_file())
    await crictl("rmp", "-f", "-a")
    assert (await crictl("pods", "-q")).out == ""


@of("create", "start", "ps", "inspect", "stop", "rm")
async def test_the_life_of_a_container(crictl):
    """A container is created, started, listed, inspected, stopped, listed with -a alone, removed."""
    pod_file = crictl.pod_file()
    pod = (await crictl("runp", pod_file)).out.strip()
    container = (await crictl("create", pod, crictl.container_file(), pod_file)).out.strip()
    assert (await crictl("ps", "-q")).out == ""
    assert (await crictl("ps", "-a", "-q", "--state", "Created")).out.split() == [container]
    assert container in (await crictl("start", container)).out
    assert (await crictl("ps", "-q", "--pod", pod, "--name", "^main$")).out.split() == [container]
    assert "Running" in (await crictl("ps")).out
    inspected = (await crictl("inspect", container)).json()
    assert inspected["status"]["state"] == "CONTAINER_RUNNING"
    assert inspected["info"]["pid"] > 0
    template = "{{.status.metadata.name}}"
    assert (await crictl("inspect", "-o", "go-template", "--template", template, container)).out.strip() == "main"
    await crictl("stop", "--timeout", "10", container[:12])
    assert (await crictl("ps", "-q")).out == ""
    assert (await crictl("ps", "-a", "-q", "--state", "Exited")).out.split() == [container]
    assert (await crictl("inspect", container)).json()["status"]["exitCode"] == 0
    await crictl("rm", container)
    assert (await crictl("ps", "-a", "-q")).out == ""
    second = (await crictl("create", pod, crictl.container_file("second"), pod_file)).out.strip()
    await crictl("start", second)
    await crictl("rm", "-f", second)
    assert (await crictl("ps", "-a", "-q")).out == ""


@of("run")
async def test_run(crictl):
    """One command pulls, makes the pod and the container, and starts it."""
    container = (await crictl("run", "--with-pull", crictl.container_file(), crictl.pod_file())).out.split()[-1]
    assert (await crictl("ps", "-q")).out.split() == [container]


@of("logs")
async def test_logs(crictl):
    """All, the last, those of one stream, with times, reopened, and followed to the end of the container."""
    script = "echo one; echo two >&2; echo three; until [ -e /done ]; do sleep 0.1; done; echo four"
    _, container = await crictl.running(command=sh(script))

    async def has_three():
        return "three" in (await crictl("logs", container)).out

    await until(has_three)
    everything = await crictl("logs", container)
    assert everything.out.split() == ["one", "three"]
    assert everything.err.split() == ["two"]
    last = await crictl("logs", "--tail", "1", container)
    assert (last.out + last.err) in {"two\n", "three\n"}  # two pipes have no order between them
    assert (await crictl("logs", "--stream", "stderr", container)).out == ""
    assert re.match(r"\d{4}-\d\d-\d\dT\S+ one", (await crictl("logs", "--timestamps", container)).out)
    await crictl("logs", "--reopen", container)
    following = asyncio.ensure_future(crictl("logs", "-f", container))
    await asyncio.sleep(0.3)
    await crictl("exec", container, "touch", "/done")
    assert (await following).out.split() == ["one", "three", "four"]


@of("exec")
@TRANSPORTS
async def test_exec(crictl, transport):
    """A command's two outputs and its exit code come back, and its input arrives; with a terminal too."""
    _, container = await crictl.running()
    printed = await crictl.fails("exec", "-r", transport, container, *sh("echo out; echo err >&2; exit 7"))
    assert (printed.out, printed.err.splitlines()[0]) == ("out\n", "err")
    assert printed.code != 0
    assert "7" in printed.err
    assert (await crictl("exec", "-i", "-r", transport, container, "cat", stdin="through")).out == "through"
    ours, its = os.openpty()
    try:
        command = ("exec", "-i", "-t", "-r", transport, container, "tty")
        process = await crictl.begin(*command, stdin=its, stdout=its)
        assert await asyncio.wait_for(process.wait(), 60) == 0
        assert os.read(ours, 4096).decode().strip() == "/dev/pts/0"
    finally:
        os.close(ours)
        os.close(its)


@of("exec")
async def test_exec_sync(crictl):
    """The same without a stream, with a time limit that is kept."""
    _, container = await crictl.running()
    printed = await crictl("exec", "--sync", container, *sh("echo out; echo err >&2"))
    assert printed.out.split() == ["out", "err"]
    assert (await crictl.fails("exec", "--sync", "--timeout", "1", container, "sleep", "100")).code != 0


@of("attach")
@TRANSPORTS
async def test_attach(crictl, transport):
    """What is typed reaches the container, and what it prints comes back."""
    _, container = await crictl.running(command=sh("while read line; do echo got $line; done"), stdin=True)
    process = await crictl.begin("attach", "-i", "-r", transport, container)
    try:
        process.stdin.write(b"something\n")
        await process.stdin.drain()
        assert await asyncio.wait_for(process.stdout.readline(), 30) == b"got something\n"
    finally:
        await ended(process)


@of("port-forward")
@TRANSPORTS
async def test_port_forward(crictl, transport):
    """A page that the pod serves is to be had on a local port."""
    script = "mkdir /w; echo hello > /w/index.html; exec httpd -f -p 8080 -h /w"
    pod, _ = await crictl.running(command=sh(script))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = await crictl.begin("port-forward", "-r", transport, pod, f"{port}:8080")

    async def page():
        with contextlib.suppress(OSError, TimeoutError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            answer = await asyncio.wait_for(reader.read(), 5)
            writer.close()
            return answer.endswith(b"hello\n")
        return False

    try:
        await until(page)
    finally:
        await ended(process)


@of("stats", "statsp", "metricsp", "metricdescs")
async def test_statistics(crictl):
    """CPU and memory of a container and of a pod; every metric that a pod has is described."""
    pod, container = await crictl.running()
    (stats,) = (await crictl("stats", "-o", "json", container)).json()["stats"]
    assert stats["attributes"]["id"] == container
    assert int(stats["memory"]["workingSetBytes"]["value"]) > 0
    assert container[:13] in (await crictl("stats")).out
    (stats,) = (await crictl("statsp", "-o", "json", "--id", pod)).json()["stats"]
    assert stats["attributes"]["id"] == pod
    assert int(stats["linux"]["memory"]["workingSetBytes"]["value"]) > 0
    assert pod[:13] in (await crictl("statsp")).out
    described = {each["name"] for each in (await crictl("metricdescs")).json()["descriptors"]}
    (metrics,) = (await crictl("metricsp")).json()["podMetrics"]
    assert metrics["podSandboxId"] == pod
    assert {each["name"] for each in metrics["metrics"]} <= described
    (of_container,) = metrics["containerMetrics"]
    assert {each["name"] for each in of_container["metrics"]} <= described
    assert of_container["metrics"]


@of("events")
async def test_events(crictl):
    """Events of a pod and its container arrive while they happen, in order."""
    process = await crictl.begin("events")
    try:
        await asyncio.sleep(1)
        pod, container = await crictl.running()
        await crictl("rmp", "-f", pod)
        kinds: list[tuple[str, str]] = []
        decoder, text = json.JSONDecoder(), ""
        while not kinds or kinds[-1] != (pod, "CONTAINER_DELETED_EVENT"):
            text += (await asyncio.wait_for(process.stdout.read(65536), 30)).decode()
            while text := text.lstrip():
                try:
                    event, end = decoder.raw_decode(text)
                except ValueError:
                    break
                kinds.append((event["containerId"], event["containerEventType"]))
                text = text[end:]
    finally:
        await ended(process)
    events = [kind.removeprefix("CONTAINER_").removesuffix("_EVENT") for id_, kind in kinds if id_ == container]
    assert events == ["CREATED", "STARTED", "STOPPED", "DELETED"]


@of("update")
async def test_update(crictl):
    """Every limit that it has an option for is changed."""
    _, container = await crictl.running(resources={"memory_limit_in_bytes": 64 * MIB, "cpu_shares": 512})
    limits = {
        "--cpu-period": 50_000,
        "--cpu-quota": 20_000,
        "--cpu-share": 256,
        "--cpuset-cpus": "0",
        "--cpuset-mems": "0",
        "--memory": 128 * MIB,
        "--oom-score-adj": 500,
    }
    await crictl("update", *(str(word) for pair in limits.items() for word in pair), container)
    current = (await crictl("inspect", container)).json()["status"]["resources"]["linux"]
    expected = {
        "cpuPeriod": 50_000,
        "cpuQuota": 20_000,
        "cpuShares": 256,
        "cpusetCpus": "0",
        "cpusetMems": "0",
        "memoryLimitInBytes": 128 * MIB,
        "oomScoreAdj": 500,
    }
    assert {key: str(current[key]) for key in expected} == {key: str(value) for key, value in expected.items()}
    assert (await crictl("exec", container, "cat", "/proc/1/oom_score_adj")).out.strip() == "500"


@of("checkpoint")
async def test_checkpoint(crictl):
    """A checkpoint is written, for its owner alone, and the container runs on."""
    if not crictl.criu:
        pytest.skip("no criu works on this kernel")
    _, container = await crictl.running()
    location = crictl.directory / "checkpoint.tar"
    await crictl("checkpoint", "--export", str(location), container)
    assert stat.S_IMODE(location.stat().st_mode) == 0o600
    with tarfile.open(location) as tar:
        assert {"config.dump", "spec.dump", "status.dump", "rootfs-diff.tar", "checkpoint"} <= set(tar.getnames())
    assert (await crictl("ps", "-q")).out.split() == [container]
    assert (await crictl("exec", container, "echo", "on")).out == "on\n"


async def test_no_subcommand_is_left_out(crictl):
    """The subcommands that this crictl lists are those that have a test."""
    subcommands = (await crictl("--help")).out.partition("COMMANDS:")[2].partition("GLOBAL OPTIONS:")[0]
    commands = set(re.findall(r"^   ([a-z-]+)", subcommands, re.MULTILINE))
    assert commands
    assert commands - TESTED == set()
