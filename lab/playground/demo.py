"""Show the life of real pods, from an empty node to an empty node: ``make demo``, or ``python -m lab.playground.demo``.

Every step says what it does, shows what it saw, and checks it; the exit code is 0 only if every check holds.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab import cri as cri_command
from lab.census import Census, wait_clean
from lab.cri_client import CriClient
from lab.lab import Lab, push_images
from lab.log_file import text
from lab.playground.up import BORN, demo_pod
from lab.pods import fetch
from lab.processes import reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.pods import Container, Pod

LINES = 15
"""Lines of each log that are shown when the demo fails."""
COLOURS = ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m")
BOLD, DIM, GREEN, RED, PLAIN = COLOURS if sys.stdout.isatty() else ("",) * len(COLOURS)


class DidNotHoldError(AssertionError):
    """A step that showed something else than it claims."""


@dataclass(slots=True)
class Stage:
    """Prints the steps, and collects the claims that were proved."""

    proved: list[str] = field(default_factory=list)

    def step(self, title: str) -> None:
        """Begin a step."""
        sys.stdout.write(f"\n{BOLD}== {title}{PLAIN}\n")
        sys.stdout.flush()

    def show(self, shown: str) -> None:
        """Print what was seen."""
        sys.stdout.write("".join(f"   {line}\n" for line in shown.splitlines()))
        sys.stdout.flush()

    def prove(self, claim: str, holds: bool) -> None:
        """Check a claim, and remember it."""
        sys.stdout.write(f"   {GREEN if holds else RED}{'ok ' if holds else 'NO '}{PLAIN}{claim}\n")
        if not holds:
            raise DidNotHoldError(claim)
        self.proved.append(claim)


async def bring_up(stage: Stage, lab: Lab) -> None:
    """Start registry, containerd and daemon, and push the images."""
    stage.step("Build an image from busybox-static and push it to a local docker-registry")
    await asyncio.to_thread(lab.prepare)
    push_images(lab.images)
    stage.show(f"pushed {lab.busybox} and {lab.pause}")

    stage.step("Start a private containerd with its CRI plugin off")
    await asyncio.to_thread(lab.containerd.start)
    stage.show(lab.containerd.ctr("version"))
    plugins = lab.containerd.ctr("plugins", "list")
    stage.prove("containerd runs without its CRI plugin", not [p for p in plugins.splitlines() if " cri " in p])

    stage.step("Start cri-shim in front of it")
    await asyncio.to_thread(lab.bridge.start)
    lab.client = CriClient(lab.endpoint)
    version = await lab.client.Version()
    stage.show(f"{version.runtime_name} {version.runtime_version}, CRI {version.runtime_api_version}, {lab.endpoint}")
    conditions = (await lab.client.Status()).status.conditions
    stage.show("  ".join(f"{each.type}={each.status}" for each in conditions))
    stage.prove("runtime and network are ready", all(each.status for each in conditions))


async def pull(stage: Stage, lab: Lab) -> None:
    """Pull both images through the daemon."""
    stage.step("Pull the images through cri-shim")
    for image in (lab.pause, lab.busybox):
        await lab.client.PullImage(image={"image": image})
    stage.show(await cri_command.images(lab.client))
    names = {tag for image in (await lab.client.ListImages()).images for tag in image.repo_tags}
    stage.prove("both images came from the registry into containerd", {lab.pause, lab.busybox} <= names)


async def run_pod(stage: Stage, lab: Lab) -> Pod:
    """Run the pod and check it from all sides."""
    stage.step("Run a pod with two containers: a web server, and a client that calls it on localhost")
    started = time.perf_counter()
    pod = await demo_pod(lab)
    stage.show(f"started in {(time.perf_counter() - started) * 1000:.0f} ms")
    stage.show(await cri_command.pods(lab.client))
    stage.show(await cri_command.containers(lab.client))
    web, asker = pod.containers
    states = [(await each.status()).state for each in (web, asker)]
    stage.prove("both containers run under runc", states == [cri.CONTAINER_RUNNING] * 2)

    stage.step("Logs")
    await asker.logged("hello from the neighbour")
    stage.show((await asyncio.to_thread(asker.log.read_text)).splitlines()[-1])
    stage.prove("the two containers talk over localhost", "neighbour" in text(asker.entries()))
    ip = await pod.ip()
    stage.prove(f"the pod answers on its own address {ip}", await fetch(ip, 8080) == "hello from the neighbour")

    stage.step("Exec")
    stage.show((await web.execute("ps")).stdout.decode())
    await web.logged(BORN)
    (logged,) = [entry.content.decode().strip() for entry in web.entries() if entry.content.startswith(BORN.encode())]
    read = (await web.execute("cat", "/born")).stdout.decode().strip()
    stage.show(f"the container's log has {logged!r}, exec reads {read!r} from its /born, the node has no such file")
    inside = bool(read) and logged == f"{BORN} {read}" and not Path("/born").exists()
    stage.prove("exec reads a file that the container alone has, with random content of its own making", inside)
    namespace = (await web.execute("readlink", "/proc/self/ns/mnt")).stdout.decode().strip()
    claim = "exec runs in the container's mount namespace, which is not the node's"
    stage.prove(claim, namespace.startswith("mnt:") and namespace != os.readlink("/proc/self/ns/mnt"))
    done = await web.execute("sh", "-c", "echo to stdout; echo to stderr >&2; exit 3")
    stage.prove("exec returns output and exit code", (done.stdout, done.exit_code) == (b"to stdout\n", 3))
    return pod


async def kill_the_daemon(stage: Stage, lab: Lab, pod: Pod) -> None:
    """Kill the daemon with SIGKILL under the running pod."""
    stage.step(f"kill -9 {lab.bridge.daemon.pid}: the daemon dies, the pod does not")
    web, asker = pod.containers
    ip, before = await pod.ip(), [await pod.status(), await web.status(), await asker.status()]
    lines = len(asker.entries())
    await asyncio.to_thread(lab.bridge.kill9)
    stage.prove("the pod answers while no daemon runs", bool(await fetch(ip, 8080)))
    await asyncio.sleep(2.5)
    await asyncio.to_thread(lab.bridge.start)
    stage.show(await cri_command.pods(lab.client))
    stage.show(await cri_command.containers(lab.client))
    after = [await pod.status(), await web.status(), await asker.status()]
    stage.prove("after a restart it knows the same pod: ids, states, address, times, byte for byte", before == after)
    await check_log(stage, asker, lines)
    stage.prove("exec works again", (await web.execute("echo", "yes")).stdout == b"yes\n")


async def check_log(stage: Stage, asker: Container, lines: int) -> None:
    """Check that the log has every line, also those from the time without a daemon; each line has its number."""
    await asker.logged(f"\n{lines + 6}: ")
    numbers = [int(entry.content.split(b":")[0]) for entry in asker.entries()]
    stage.show(f"{lines} lines were logged before, now {len(numbers)}")
    claim = "the log has every line, also those from the time without a daemon"
    stage.prove(claim, numbers == [*range(1, len(numbers) + 1)])


async def remove(stage: Stage, lab: Lab, pod: Pod, before: Census) -> None:
    """Remove everything and check that nothing is left."""
    stage.step("Stop and remove the pod")
    await pod.remove()
    stage.prove("no pod is listed", not (await lab.client.ListPodSandbox()).items)
    stage.prove("no container is listed", not (await lab.client.ListContainers()).containers)
    left = await wait_clean(lab, before)
    stage.show(left)
    claim = "no namespace, mount, snapshot, lease, address, firewall rule, cgroup, directory or shim is left"
    stage.prove(claim, not left)
    code = await asyncio.to_thread(lab.bridge.stop)
    stage.prove("the daemon exits with code 0 on SIGTERM", code == 0)


async def play(stage: Stage, lab: Lab) -> None:
    """Run all steps in order."""
    await bring_up(stage, lab)
    try:
        await pull(stage, lab)
        before = await asyncio.to_thread(Census.take, lab)
        pod = await run_pod(stage, lab)
        await kill_the_daemon(stage, lab, pod)
        await remove(stage, lab, pod, before)
    finally:
        await lab.client.close()


def logs(lab: Lab) -> Iterator[tuple[str, str]]:
    """Yield the name and the last lines of each daemon's log; a daemon that was never begun has none."""
    for name, part in (("cri-shim", "bridge"), ("containerd", "containerd")):
        if hasattr(lab, part):
            yield name, _last_lines(getattr(lab, part).daemon.tail(20_000))
    if lab.registry is not None:
        file = lab.directory / "registry" / "registry.log"
        yield "docker-registry", _last_lines(file.read_text(errors="replace")) if file.exists() else ""


def _last_lines(text: str) -> str:
    return "\n".join(text.splitlines()[-LINES:])


def main() -> int:
    """Run the demo, clean up, and print what was proved; return the exit code."""
    if os.geteuid() != 0:
        sys.stderr.write("run this as root: containers, mounts and network namespaces need it\n")
        return 1
    stage, lab = Stage(), Lab("bridge")
    try:
        asyncio.run(play(stage, lab))
    except (Exception, KeyboardInterrupt) as error:
        kind = "This does not hold" if isinstance(error, DidNotHoldError) else "The demo failed"
        for name, log in logs(lab):
            sys.stdout.write(f"\nThe end of the log of {name}:\n{DIM}{log or '(empty)'}{PLAIN}\n")
        sys.stdout.write(f"\n{RED}{BOLD}{kind}: {reason_of(error)}{PLAIN}\n")
        return 1
    finally:
        lab.tear_down()
    runc = subprocess.run(["runc", "--version"], capture_output=True, text=True, check=False).stdout.splitlines()[0]
    sys.stdout.write(f"\n{BOLD}Proved, on kernel {os.uname().release} with {runc}:{PLAIN}\n")
    sys.stdout.write("".join(f"  - {claim}\n" for claim in stage.proved))
    return 0


if __name__ == "__main__":
    sys.exit(main())
