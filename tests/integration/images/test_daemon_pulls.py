"""Pulls through the real daemon: logins that show nowhere, one id for one image, and a client that hangs up."""

from __future__ import annotations

import asyncio
import base64
import os
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from lab.cri_client import failure
from lab.images import OCI_LAYER_PLAIN, Tree, build_image, busybox_image, push
from lab.lab import Lab
from lab.pod_configs import container_config, pod_config
from tests.fakes.registry import FaultyRegistry
from tests.integration.images.token_server import FakeTokenServer

pytestmark = [pytest.mark.root, pytest.mark.asyncio(loop_scope="module")]

USER, PASSWORD = "jane", "ganz-geheim"
ENCODED = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab():
    """A node whose daemon says everything it has to say."""
    async with Lab("bridge", settings={"log_level": "debug"}) as node:
        yield node


def image_of(layers: int = 2):
    return build_image(*(Tree().file(f"f{n}", os.urandom(5000)).layer(OCI_LAYER_PLAIN) for n in range(layers)))


async def test_no_secret_shows(lab):
    """After pulls that worked and pulls that failed: nothing in the daemon's debug log, its answers, its arguments."""
    image = image_of()
    texts = []
    with FakeTokenServer({USER: PASSWORD}) as tokens, FaultyRegistry({"app:1": image}, guard=tokens.guard) as registry:
        spec = {"image": f"{registry.address}/app:1"}
        registry.echo = True
        logins = (
            {"username": USER, "password": "falsch-geheim"},
            {"identity_token": "falsch-geheim"},
            {"registry_token": "falsch-geheim"},
            {"auth": "kein-base64-geheim"},
        )
        for login in logins:
            code, text = await failure(lab.client.PullImage(image=spec, auth=login))
            assert code in {grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INVALID_ARGUMENT}
            texts.append(text)
        registry.answers["blobs"] = [(418, {})]
        texts.append((await failure(lab.client.PullImage(image=spec, auth={"auth": ENCODED})))[1])
        assert "418" in texts[-1]
        pulled = await lab.client.PullImage(image=spec, auth={"username": USER, "password": PASSWORD})
        assert pulled.image_ref == image.id
        status = await lab.client.ImageStatus(image=spec, verbose=True)
        texts.append(str(status))
        issued = list(tokens.tokens)
    arguments = Path(f"/proc/{lab.bridge.daemon.pid}/cmdline").read_text()
    everything = "\n".join([*texts, lab.bridge.log, lab.containerd.log, arguments])
    assert "app:1" in everything
    assert issued
    for secret in ("geheim", PASSWORD, ENCODED, *issued):
        assert secret not in everything


async def test_one_value_names_the_image_everywhere(lab):
    """PullImageResponse.image_ref, Image.id, Container.image_id and ContainerStatus.image_id."""
    push(lab.images.address, "same:1", busybox_image(env=["SAME=1"]))
    reference = f"{lab.images.address}/same:1"
    pulled = (await lab.client.PullImage(image={"image": reference})).image_ref
    config = pod_config(cgroup_parent=lab.cgroup_parent)
    pod = (await lab.client.RunPodSandbox(config=config)).pod_sandbox_id
    container = container_config(reference, command=("sleep", "60"))
    made = await lab.client.CreateContainer(pod_sandbox_id=pod, config=container, sandbox_config=config)
    entry = (await lab.client.ListContainers(filter={"id": made.container_id})).containers[0]
    status = (await lab.client.ContainerStatus(container_id=made.container_id)).status
    image = (await lab.client.ImageStatus(image={"image": reference})).image
    assert {pulled, image.id, entry.image_id, status.image_id} == {pulled}
    await lab.client.RemovePodSandbox(pod_sandbox_id=pod)


async def test_ten_clients_and_ten_pods(lab):
    """Ten pods, each pulling the image it lacks and then using it, cause one download."""
    image = busybox_image(env=[f"TEN={os.urandom(4).hex()}"], files={"/ten": os.urandom(2000)})
    push(lab.images.address, "ten:1", image)
    reference = f"{lab.images.address}/ten:1"
    lab.images.forget()

    async def one(number):
        config = pod_config(f"ten{number}", cgroup_parent=lab.cgroup_parent)
        await lab.client.PullImage(image={"image": reference})
        pod = (await lab.client.RunPodSandbox(config=config)).pod_sandbox_id
        container = container_config(reference, command=("sleep", "60"))
        await lab.client.CreateContainer(pod_sandbox_id=pod, config=container, sandbox_config=config)
        return pod

    pods = await asyncio.gather(*(one(number) for number in range(10)))
    gets = [asked.path for asked in lab.images.requests() if asked.method == "GET" and "/blobs/" in asked.path]
    assert len(gets) == len(set(gets))
    assert sum(image.layers[-1].digest in path for path in gets) == 1
    await asyncio.gather(*(lab.client.RemovePodSandbox(pod_sandbox_id=pod) for pod in pods))


async def test_a_kubelet_that_hangs_up(lab):
    """A cancelled PullImage leaves neither lease nor ingest; the next one succeeds."""
    image = image_of()
    with FaultyRegistry({"bye:1": image}, stalls={image.layers[1].digest: 3}) as registry:
        spec = {"image": f"{registry.address}/bye:1"}
        with pytest.raises(grpc.aio.AioRpcError):
            await lab.client.PullImage(image=spec, _deadline=0.7)
        async with asyncio.timeout(60):
            while len(lab.containerd.ctr("leases", "list", "--quiet").split()):
                await asyncio.sleep(0.1)
        assert len(lab.containerd.ctr("content", "active").splitlines()) <= 1
        registry.stalls.clear()
        assert (await lab.client.PullImage(image=spec)).image_ref == image.id
