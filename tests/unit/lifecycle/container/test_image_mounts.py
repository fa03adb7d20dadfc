"""Images as volumes: what is mounted where, what is refused, and that a container takes its mounts along."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.cri_client import failure
from lab.pod_configs import container_config, pod_config
from tests.fakes.containerd import FaultKind
from tests.fakes.kernel import RecordingKernel
from tests.fakes.service import until_idle
from tests.unit.waiting import until

if TYPE_CHECKING:
    from cri_shim.service import Service
    from tests.fakes.containerd import FakeContainerd
    from tests.fakes.cri import Client

APP, DATA = "example.com/app:1", "example.com/data:1"


class FillingKernel(RecordingKernel):
    """Shows an image's files where one is mounted: a directory, a file, links to both and one to itself."""

    def mount(self, source: str, target: str, fstype: str, flags: int, data: str, *, chdir: str = "") -> None:
        """Record the call and make the files."""
        super().mount(source, target, fstype, flags, data, chdir=chdir)
        place = Path(target)
        if "image-mounts" in place.parts and not (place / "models").exists():
            (place / "models/small").mkdir(parents=True)
            (place / "file").touch()
            for name, points_to in {"link": "/models/small", "out": "../../../etc", "loop": "loop"}.items():
                (place / name).symlink_to(points_to)

    def umount(self, target: str, *flags: int) -> None:
        """Record the call and take the files away."""
        super().umount(target, *flags)
        if target not in self.mounts and "image-mounts" in Path(target).parts:
            shutil.rmtree(target)
            Path(target).mkdir()


@pytest.fixture
def kernel() -> RecordingKernel:
    """The kernel of the service."""
    return FillingKernel()


@pytest.fixture(autouse=True)
def _images(fake: FakeContainerd) -> None:
    """What is pulled before the service starts."""
    fake.add_image(APP)
    fake.add_image(DATA, layers=[{"models/small/a": b"1"}])


@pytest.fixture
async def pod(service: Service, client: Client) -> tuple[str, cri.PodSandboxConfig]:
    """A pod that runs."""
    config = pod_config()
    pod_id = (await client.RunPodSandbox(config=config)).pod_sandbox_id
    await until_idle(service)
    return pod_id, config


async def create(client: Client, pod: tuple[str, cri.PodSandboxConfig], *mounts: cri.Mount) -> str:
    """Make a container with mounts."""
    config = container_config(APP, mounts=mounts)
    created = await client.CreateContainer(pod_sandbox_id=pod[0], config=config, sandbox_config=pod[1])
    id_: str = created.container_id
    return id_


def asked(image: str = DATA, path: str = "/data", **fields: Any) -> cri.Mount:
    """The mount of an image."""
    values = {"readonly": True} | fields
    return cri.Mount(container_path=path, image=cri.ImageSpec(image=image), **values)


def views(fake: FakeContainerd) -> list[str]:
    """The snapshots that are views of images for containers."""
    return [key for key in fake.state["k8s.io"].snapshots["overlayfs"] if "-image-" in key]


def mounted(kernel: RecordingKernel) -> list[str]:
    """The mounts of images that exist now."""
    return [target for target in kernel.mounts if "image-mounts" in target]


def source_of(fake: FakeContainerd, id_: str, path: str) -> str:
    """What the container gets at ``path``, as its runtime spec says."""
    spec = json.loads(fake.state["k8s.io"].containers[id_].spec.value)
    return next(str(mount["source"]) for mount in spec["mounts"] if mount["destination"] == path)


async def test_two_images(service: Service, fake: FakeContainerd, kernel: RecordingKernel, client: Client, pod) -> None:
    """Each has a view and a place of its own, which go with the container."""
    id_ = await create(client, pod, asked(), asked(APP, "/app"))
    places = [str(service.paths.image_mounts() / id_ / number) for number in ("0", "1")]
    assert [source_of(fake, id_, path) for path in ("/data", "/app")] == places
    assert mounted(kernel) == places
    labels = [fake.state["k8s.io"].snapshots["overlayfs"][key].labels for key in views(fake)]
    assert [one["io.cri-shim.image-mount"] for one in labels] == [id_, id_]
    await client.RemoveContainer(container_id=id_)
    assert not mounted(kernel)
    assert not views(fake)


async def test_a_container_without_images(fake: FakeContainerd, client: Client, pod) -> None:
    """Its removal costs no hop for them."""
    id_ = await create(client, pod)
    before = len(fake.called("Containers/Get"))
    await client.RemoveContainer(container_id=id_)
    assert len(fake.called("Containers/Get")) - before <= 1


@pytest.mark.parametrize(("sub_path", "opened"), [("models/small", "models/small"), ("link", "models/small")])
async def test_a_directory_of_an_image(
    service: Service, fake: FakeContainerd, client: Client, pod, *, sub_path: str, opened: str
) -> None:
    """Links are followed inside the image."""
    id_ = await create(client, pod, asked(image_sub_path=sub_path))
    assert source_of(fake, id_, "/data") == str(service.paths.image_mounts() / id_ / "0" / opened)


@pytest.mark.parametrize(
    ("mount", "code", "words"),
    [
        (asked(image_sub_path="file"), "INVALID_ARGUMENT", "is not a directory"),
        (asked(image_sub_path="none"), "NOT_FOUND", "is not in the image"),
        (asked(image_sub_path="out"), "NOT_FOUND", "is not in the image"),
        (asked(image_sub_path="loop"), "INVALID_ARGUMENT", "cannot be opened: too many levels of symbolic links"),
        (asked(image_sub_path="a/../b"), "INVALID_ARGUMENT", "must not contain '..'"),
        (asked(path=""), "INVALID_ARGUMENT", "has no container_path"),
        (asked(""), "INVALID_ARGUMENT", "names no image"),
        (asked(host_path="/etc"), "INVALID_ARGUMENT", "host_path must be empty"),
        (asked(readonly=False), "INVALID_ARGUMENT", "readonly must be true"),
        (asked("example.com/none:1"), "NOT_FOUND", "pull it first"),
        (asked(uidMappings=[cri.IDMapping(length=1)]), "UNIMPLEMENTED", "mapped ids"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)
async def test_refusals(
    fake: FakeContainerd, kernel: RecordingKernel, client: Client, pod, *, mount: cri.Mount, code: str, words: str
) -> None:
    """The client is told in words that the kubelet knows, and what was made for an earlier mount is gone."""
    answered, text = await failure(create(client, pod, asked(path="/first"), mount))
    assert (answered.name, words in text) == (code, True), text
    assert not mounted(kernel)
    assert not views(fake)
    assert len(fake.state["k8s.io"].containers) == 1


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (errno.EINVAL, "FAILED_PRECONDITION", "ImageVolumeMountFailed: image 'example.com/data:1' cannot be mounted"),
        (errno.ENOSPC, "RESOURCE_EXHAUSTED", ""),
    ],
)
async def test_a_mount_that_fails(
    fake: FakeContainerd, kernel: RecordingKernel, client: Client, pod, *, number: int, code: str, words: str
) -> None:
    """A node that has run out of something is not taken for a snapshotter that does not fit."""
    kernel.fail["mount"] = OSError(number, "no")
    answered, text = await failure(create(client, pod, asked()))
    assert (answered.name, words in text) == (code, True), text
    del kernel.fail["mount"]
    assert not mounted(kernel)
    assert not views(fake)


@pytest.mark.parametrize("kind", [FaultKind.UNKNOWN, FaultKind.ANSWER_LOST, FaultKind.HANG])
async def test_a_view_that_fails(fake: FakeContainerd, client: Client, pod, kind: FaultKind) -> None:
    """Nothing is left of it, and the same request makes the container."""
    fault = fake.faults.add("Snapshots/View", kind, text="no room")
    config = container_config(APP, mounts=[asked()])
    call = client.CreateContainer(pod_sandbox_id=pod[0], config=config, sandbox_config=pod[1])
    if kind is FaultKind.HANG:
        running = client.hang_up_after(call)
        await until(lambda: fake.faults.hanging)
        running.cancel()
        fake.faults.clear()
    elif kind is FaultKind.UNKNOWN:
        code, text = await failure(call)
        assert (code, "no room" in text) == (grpc.StatusCode.UNKNOWN, True)
        assert not views(fake)
    else:
        await call
    again = await client.CreateContainer(pod_sandbox_id=pod[0], config=config, sandbox_config=pod[1])
    assert fault.struck == 1
    assert views(fake) == [f"{again.container_id}-image-0"]


async def test_an_image_whose_snapshots_are_gone(fake: FakeContainerd, client: Client, pod) -> None:
    """It is unpacked again from what containerd has of it."""
    await create(client, pod, asked())
    snapshots = fake.state["k8s.io"].snapshots["overlayfs"]
    chain = snapshots[views(fake)[0]].parent
    for key in (*views(fake), chain):
        del snapshots[key]
    config = container_config(APP, "second", mounts=[asked()])
    created = await client.CreateContainer(pod_sandbox_id=pod[0], config=config, sandbox_config=pod[1])
    assert snapshots[f"{created.container_id}-image-0"].parent == chain


async def test_what_another_client_has_taken(
    fake: FakeContainerd, kernel: RecordingKernel, client: Client, pod
) -> None:
    """A container without its record, and one without its view, are removed, and nothing stays mounted."""
    first = await create(client, pod, asked())
    del fake.state["k8s.io"].containers[first]
    config = container_config(APP, "second", mounts=[asked()])
    second = await client.CreateContainer(pod_sandbox_id=pod[0], config=config, sandbox_config=pod[1])
    del fake.state["k8s.io"].snapshots["overlayfs"][f"{second.container_id}-image-0"]
    for id_ in (first, second.container_id):
        await client.RemoveContainer(container_id=id_)
    assert not mounted(kernel)
