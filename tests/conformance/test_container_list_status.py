"""ListContainers and its filters; ContainerStatus and its fields."""

from __future__ import annotations

import json

import pytest
import pytest_asyncio

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.pod_configs import container_config, sh

RUNNING, EXITED, CREATED = cri.CONTAINER_RUNNING, cri.CONTAINER_EXITED, cri.CONTAINER_CREATED


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def two_pods(node):
    """Two pods: the first with a running and an exited container, the second with a created one."""
    one, two = await node.run(), await node.run()
    node.pods.clear()
    await one.start("runs", labels={"app": "a"}, annotations={"note": "n"})
    await (await one.start("ended", labels={"app": "b"}, command=sh("exit 0"))).ended()
    await two.create("created", labels={"app": "b", "tier": "x"})
    yield one, two
    await one.remove()
    await two.remove()


async def names(client, **fields):
    """Names that a filter finds."""
    return sorted(each.metadata.name for each in (await client.ListContainers(filter=fields)).containers)


async def test_without_a_filter_all_are_listed(client, two_pods):
    """No filter lists every container."""
    one, two = two_pods
    ids = {each.id for each in (await client.ListContainers()).containers}
    assert {each.id for pod in (one, two) for each in pod.containers} <= ids


async def test_by_id_and_prefix(client, two_pods):
    """An id or a unique prefix finds the one container, an unknown one finds nothing."""
    runs = two_pods[0].containers[0]
    assert await names(client, id=runs.id) == ["runs"]
    assert await names(client, id=runs.id[:13]) == ["runs"]
    assert await names(client, id="f" * 64) == []


async def test_by_pod(client, two_pods):
    """The pod's id, or a unique prefix of it, finds its containers."""
    one, two = two_pods
    assert await names(client, pod_sandbox_id=one.id) == ["ended", "runs"]
    assert await names(client, pod_sandbox_id=two.id[:13]) == ["created"]


async def test_by_state(client, two_pods):
    """The state filter finds containers in that state."""
    one, two = two_pods
    for pod, state, name in ((one, RUNNING, "runs"), (one, EXITED, "ended"), (two, CREATED, "created")):
        assert await names(client, pod_sandbox_id=pod.id, state={"state": state}) == [name]
    assert await names(client, pod_sandbox_id=two.id, state={"state": RUNNING}) == []


@pytest.mark.proves("RuntimeService.ListContainers", "ContainerConfig.labels")
async def test_by_labels_and_all_at_once(client, two_pods):
    """Every label must match, and so must every other part of the filter."""
    one = two_pods[0]
    assert "runs" not in await names(client, label_selector={"app": "b"})
    assert await names(client, label_selector={"app": "b", "tier": "x"}) == ["created"]
    assert await names(client, label_selector={"app": "b"}, pod_sandbox_id=one.id) == ["ended"]
    assert await names(client, label_selector={"app": "b"}, pod_sandbox_id=one.id, state={"state": CREATED}) == []


async def test_an_item_has_what_the_status_has(client, two_pods):
    """The listed item agrees with the container's status."""
    container = two_pods[0].containers[0]
    item = (await client.ListContainers(filter={"id": container.id})).containers[0]
    status = await container.status()
    assert item.pod_sandbox_id == two_pods[0].id
    assert item.metadata == status.metadata
    assert item.state == status.state
    assert item.created_at == status.created_at
    assert item.labels == status.labels == {"app": "a"}
    assert item.annotations == status.annotations == {"note": "n"}
    image = (await client.ImageStatus(image={"image": two_pods[0].image})).image
    assert {item.image_ref, status.image_ref} <= {image.id, *image.repo_digests}
    assert item.image.image == two_pods[0].image


@pytest.mark.proves(
    "RuntimeService.ContainerStatus",
    "ContainerConfig.metadata",
    "ContainerConfig.labels",
    "ContainerConfig.annotations",
    "ContainerConfig.mounts",
    "ContainerConfig.log_path",
    "ContainerMetadata.name",
    "ContainerMetadata.attempt",
    "PodSandboxConfig.log_directory",
)
async def test_status_shows_what_it_was_given(client, pod, tmp_path):
    """Metadata, labels, annotations, mounts, log path and image of the status are those of the request."""
    mount = cri.Mount(container_path="/mnt", host_path=str(tmp_path), readonly=True)
    container = await pod.create("given", labels={"l": "1"}, annotations={"a": "2"}, mounts=[mount], attempt=5)
    status = await container.status()
    assert status.metadata == container.config.metadata
    assert (dict(status.labels), dict(status.annotations)) == ({"l": "1"}, {"a": "2"})
    assert [(m.container_path, m.host_path, m.readonly) for m in status.mounts] == [("/mnt", str(tmp_path), True)]
    assert status.log_path == str(container.log)
    # Of several tags of one image it may be any.
    images = [(await client.ImageStatus(image={"image": name})).image for name in (status.image.image, pod.image)]
    assert images[0].id == images[1].id


@pytest.mark.proves("ContainerConfig.image", "ImageSpec.image")
async def test_image_fields_name_the_image(client, pod):
    """image_ref names what ImageStatus of the same reference knows."""
    container = await pod.create()
    status = await container.status()
    image = (await client.ImageStatus(image={"image": pod.image})).image
    assert status.image_ref in {image.id, *image.repo_digests}


@pytest.mark.plugin_differs("the plugin leaves image_id empty up to 2.1")
async def test_the_image_id_is_the_same_everywhere(client, pod):
    """Pull, image list, image status, container list and container status give one and the same image id."""
    container = await pod.create()
    image = (await client.ImageStatus(image={"image": pod.image})).image
    entry = (await client.ListContainers(filter={"id": container.id})).containers[0]
    pulled = (await client.PullImage(image={"image": pod.image})).image_ref
    ids = {pulled, image.id, entry.image_id, (await container.status()).image_id}
    assert ids == {image.id}


async def test_verbose_status_has_the_spec(client, pod):
    """Verbose info is one JSON document with pid, sandbox, runtime and the OCI spec; brief status has none."""
    container = await pod.start()
    assert not (await client.ContainerStatus(container_id=container.id)).info
    info = json.loads((await client.ContainerStatus(container_id=container.id, verbose=True)).info["info"])
    assert info["pid"] > 1
    assert info["sandboxID"] == pod.id
    assert info["runtimeType"] == "io.containerd.runc.v2"
    assert info["snapshotter"]
    assert info["config"]["metadata"]["name"] == container.config.metadata.name
    annotations = info["runtimeSpec"]["annotations"]
    assert annotations["io.kubernetes.cri.container-type"] == "container"
    assert annotations["io.kubernetes.cri.sandbox-id"] == pod.id
    assert annotations["io.kubernetes.cri.container-name"] == container.config.metadata.name
    assert annotations["io.kubernetes.cri.image-name"]


@pytest.mark.proves("LinuxContainerConfig.resources")
async def test_resources_are_in_the_status(pod):
    """The resources that a container got are in its status."""
    container = await pod.create(resources={"cpu_shares": 512, "memory_limit_in_bytes": 64 * 1024 * 1024})
    linux = (await container.status()).resources.linux
    assert (linux.cpu_shares, linux.memory_limit_in_bytes) == (512, 64 * 1024 * 1024)


@pytest.mark.plugin_differs("1.x knows no user in the status", before="2.0")
async def test_the_user_is_in_the_status(pod):
    """Uid, gid and supplemental groups of the process are in its status."""
    container = await pod.start(security={"run_as_user": {"value": 1000}, "supplemental_groups": [777]})
    linux = (await container.status()).user.linux
    assert (linux.uid, linux.gid) == (1000, 1000)
    assert 777 in linux.supplemental_groups


@pytest.mark.proves("ImageSpec.annotations")
async def test_annotations_of_the_image_are_shown(client, pod):
    """Annotations of the image's reference are kept as they were given."""
    config = container_config(pod.image, "image-annotations")
    config.image.annotations["note"] = "kept"
    created = await client.CreateContainer(pod_sandbox_id=pod.id, config=config, sandbox_config=pod.config)
    try:
        answer = await client.ContainerStatus(container_id=created.container_id, verbose=True)
        image = json.loads(answer.info["info"])["config"]["image"]
        assert image["annotations"] == {"note": "kept"}
    finally:
        await client.RemoveContainer(container_id=created.container_id)


@pytest.mark.proves("ImageSpec.user_specified_image")
@pytest.mark.plugin_differs("1.x does not know the field", before="2.0")
async def test_the_users_name_of_the_image_is_shown(client, pod):
    """The runtime hears the image's name as the user wrote it, whatever the kubelet resolved it to."""
    config = container_config(pod.image, "user-image")
    config.image.user_specified_image = "as/the-user:wrote-it"
    created = await client.CreateContainer(pod_sandbox_id=pod.id, config=config, sandbox_config=pod.config)
    try:
        answer = await client.ContainerStatus(container_id=created.container_id, verbose=True)
        annotations = json.loads(answer.info["info"])["runtimeSpec"]["annotations"]
        assert annotations["io.kubernetes.cri.image-name"] == "as/the-user:wrote-it"
    finally:
        await client.RemoveContainer(container_id=created.container_id)
