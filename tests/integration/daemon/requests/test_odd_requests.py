"""Requests and images that no one has made yet, on a daemon that runs: answered in words, and in time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure
from lab.images import Tree, build_image, busybox_layer, push
from lab.pod_configs import NODE, pod_config, sh
from tests.integration.daemon.conftest import run_pod

if TYPE_CHECKING:
    from pathlib import Path

    from lab.lab import Lab

INVALID = grpc.StatusCode.INVALID_ARGUMENT
LIMIT = 16 << 20

ODD_PASSWD = {
    "fifo": (Tree().fifo("etc/passwd"), "not a regular file but a FIFO"),
    "device": (Tree().device("etc/passwd", 1, 5), "not a regular file but a device"),
    "directory": (Tree().whiteout("etc/passwd").directory("etc/passwd"), "not a regular file but a directory"),
    "loop": (Tree().symlink("etc/passwd", "passwd"), "symbolic links"),
    "dangling": (Tree().symlink("etc/passwd", "/no/such/file"), "the image has no /etc/passwd"),
    "huge": (Tree().file("etc/passwd", b"#\n" * (3 << 20)), "larger than"),
}
ODD_VOLUMES: dict[str, tuple[dict[str, dict[str, str]], str]] = {
    "long-name": ({"/" + "v" * 256: {}}, "component of 256 bytes"),
    "long-path": ({"/v" * 2500: {}}, "a path has at most 4095"),
    "root": ({"/": {}}, "would hide the whole image"),
    "a-file": ({"/bin/busybox": {}}, "'/bin/busybox', where it has a file and no directory"),
    "below-a-file": ({"/bin/busybox/data": {}}, "where it has a file and no directory"),
    "a-link-to-a-file": ({"/bin/sh": {}}, "where it has a file and no directory"),
}


async def pull(lab: Lab, name: str, tree: Tree | None, **config: object) -> str:
    """Pull an image made of busybox and one more layer."""
    layers = [busybox_layer(), tree.layer()] if tree is not None else [busybox_layer()]
    push(lab.images.address, f"{name}:1", build_image(*layers, config=config))
    reference = f"{lab.images.address}/{name}:1"
    await lab.client.PullImage(image={"image": reference})
    return reference


@pytest.mark.parametrize("kind", ODD_PASSWD)
async def test_an_image_whose_passwd_is_no_file(lab, kind):
    """A user by name cannot be looked up, and the sentence says why.

    With numbers that need no file a container runs all the same, but for what an OCI runtime would hang over.
    """
    tree, words = ODD_PASSWD[kind]
    image = await pull(lab, f"passwd-{kind}", tree)
    pod = await run_pod(lab)
    code, said = await failure(pod.create(image=image, security={"run_as_username": "app"}))
    assert (code, words in said) == (INVALID, True), said
    numbers = {
        "run_as_user": {"value": 1000},
        "run_as_group": {"value": 1000},
        "supplemental_groups_policy": cri.Strict,
    }
    if "not a regular file" in words:
        assert await failure(pod.create(image=image, security=numbers)) == (code, said)
    else:
        assert await pod.output("id -u", image=image, security=numbers) == "1000"


@pytest.mark.parametrize("kind", ODD_VOLUMES)
async def test_a_volume_that_no_directory_can_be(lab, kind):
    """Refused when the container is created; with something else mounted there it is no volume, and runs."""
    volumes, words = ODD_VOLUMES[kind]
    image = await pull(lab, f"volume-{kind}", None, Volumes=volumes)
    pod = await run_pod(lab)
    code, said = await failure(pod.create(image=image))
    assert (code, words in said) == (INVALID, True), said
    assert await pod.output("echo fine")
    await pod.remove()


async def test_a_volume_of_six_hundred_levels(lab):
    """More levels than the interpreter has frames for: name and content are just long."""
    path = "v" + "/d" * 600
    # The file alone: containerd makes the directories above it, but takes ten seconds to unpack 600 that are listed.
    tree = Tree().file(path, b"down here\n")
    image = await pull(lab, "volume-deep", tree, Volumes={"/v": {}, "/w" + "/d" * 600: {}})
    pod = await run_pod(lab)
    container = await pod.start(image=image)
    assert await container.output(f"cat /{path}") == "down here"
    await pod.remove()


async def test_output_beyond_a_message(lab):
    """The exit code arrives, and as much of the output as fits; what one stream leaves the other one gets."""
    pod = await run_pod(lab)
    container = await pod.start()
    one = await container.execute(*sh("head -c 17000000 /dev/zero; echo err >&2; exit 3"), timeout=30)
    assert (one.exit_code, one.stderr) == (3, b"err\n")
    assert LIMIT - 1000 < len(one.stdout) < LIMIT
    both = await container.execute(*sh("head -c 9000000 /dev/zero; head -c 17000000 /dev/zero >&2; exit 4"), timeout=30)
    assert both.exit_code == 4
    assert len(both.stdout) < 9_000_000
    assert LIMIT - 1000 < len(both.stdout) + len(both.stderr) < LIMIT


async def test_a_child_that_holds_the_output(lab):
    """An error, because what was read may be a part of it; it names the exit code, and the child runs on."""
    pod = await run_pod(lab)
    container = await pod.start()
    code, said = await failure(container.execute(*sh("sleep 4321 & echo begun; exit 4"), timeout=60))
    assert code == grpc.StatusCode.UNKNOWN
    assert "ended with exit code 4" in said
    assert "could not be drained within" in said
    assert "sleep 4321" in await container.output("ps")


async def test_a_hostname_on_the_nodes_network(lab, nothing_left):
    """Refused, as the plugin's OCI runtime does."""
    code, said = await failure(run_pod(lab, network=NODE, hostname="other"))
    assert code == INVALID
    assert "the node's network" in said


async def test_an_untrusted_pod_needs_its_handler(lab, nothing_left):
    """Without a handler of that name it does not run beside the others."""
    code, said = await failure(run_pod(lab, annotations={"io.kubernetes.cri.untrusted-workload": "true"}))
    assert code == INVALID
    assert "'untrusted' is not configured" in said


async def test_an_empty_dns_config(lab):
    """The pod gets the node's resolv.conf, byte for byte."""
    pod = await run_pod(lab, dns_config=cri.DNSConfig())
    container = await pod.start()
    with open("/etc/resolv.conf", "rb") as file:
        assert (await container.execute("cat", "/etc/resolv.conf")).stdout == file.read()


async def test_a_profile_without_a_writer(lab, nothing_left, tmp_path: Path):
    """A FIFO as seccomp profile holds nothing up; the node goes on to serve."""
    fifo = tmp_path / "profile.json"
    os.mkfifo(fifo)
    profile = cri.SecurityProfile(profile_type=cri.SecurityProfile.Localhost, localhost_ref=str(fifo))
    for _ in range(20):  # more than there are threads
        code, said = await failure(
            lab.client.RunPodSandbox(config=pod_config(security={"seccomp": profile}), _deadline=10)
        )
        assert code == grpc.StatusCode.FAILED_PRECONDITION
        assert "a FIFO" in said


async def test_an_update_that_fails_leaves_everything_as_it_was(lab):
    """The record, and the processes' OOM score, when the kernel does not take the rest."""
    pod = await run_pod(lab)
    container = await pod.start(resources={"oom_score_adj": 300, "memory_limit_in_bytes": 1 << 26})
    code, _ = await failure(
        lab.client.UpdateContainerResources(
            container_id=container.id,
            linux=cri.LinuxContainerResources(oom_score_adj=400, cpuset_cpus="4000"),
        )
    )
    assert code != grpc.StatusCode.OK
    assert await container.output("cat /proc/1/oom_score_adj") == "300"
    assert (await container.status()).resources.linux.oom_score_adj == 300


async def test_a_command_that_would_hang_the_shim(lab):
    """A program's name of 3 MB: the shim hangs over the runtime's error, and with it the pod; so it is not asked."""
    pod = await run_pod(lab)
    container = await pod.start()
    code, said = await failure(container.execute("x" * 3_000_000))
    assert (code, "a name of 3000000 bytes" in said) == (INVALID, True), said
    code, said = await failure(pod.create(command=["x" * 70_000]))
    assert (code, "a name of 70000 bytes" in said) == (INVALID, True), said
    assert await container.output("echo alive") == "alive"
