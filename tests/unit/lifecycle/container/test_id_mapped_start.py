"""The start of a container with mapped ids: what is mounted, for whom, and that it goes again."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from containerd_client.api.containerd.types.types_pb2 import Mount
from cri_shim.disk.idmapped_mounts import note_sources
from cri_shim.errors import FailedPreconditionError
from cri_shim.lifecycle.container.id_mapping import mapped, mapped_for, remove_mapped
from cri_shim.paths import Paths
from cri_shim.state.containers import Container, Status
from cri_shim.state.index import Index
from lab.cri_client import failure
from lab.pod_configs import container_config, pod_config
from tests.unit.lifecycle.container.mapped_pods import MAPPED, PLAIN, USERNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cri_shim.state.sandboxes import Sandbox
    from tests.fakes.containerd import FakeContainerd
    from tests.fakes.cri import Client
    from tests.fakes.kernel import RecordingKernel


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Where things lie; the daemon makes the parent of the places at its start."""
    made = Paths(tmp_path / "root", tmp_path / "state")
    made.idmapped().mkdir(parents=True)
    return made


@pytest.fixture
def owners(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[int, int]]:
    """Which directory was given to whom; no test may change owners without root."""
    given: dict[str, tuple[int, int]] = {}
    monkeypatch.setattr(os, "chown", lambda path, uid, gid: given.update({str(path): (uid, gid)}))
    return given


@pytest.fixture
def layers(tmp_path: Path) -> list[str]:
    """Two layers of an image and a writable one."""
    directories = [tmp_path / name for name in ("lower-1", "lower-2", "upper")]
    for directory in directories:
        directory.mkdir()
    return [str(directory) for directory in directories]


def overlay(layers: Sequence[str]) -> Mount:
    """An overlay, as a snapshotter describes it."""
    *lowers, upper = layers
    options = ["index=off", f"upperdir={upper}", "workdir=/w", f"lowerdir={':'.join(lowers)}"]
    return Mount(type="overlay", source="overlay", options=options)


async def test_a_pod_with_the_nodes_ids(paths: Paths, kernel: RecordingKernel, layers: list[str]) -> None:
    """Nothing is mounted, and the root file system is what the snapshotter says."""
    rootfs = [overlay(layers)]
    async with mapped(kernel, paths, PLAIN, "c1", rootfs, userns="/u", sources={}) as mounts:
        assert mounts is rootfs
    assert not kernel.calls


async def test_a_root_file_system(
    paths: Paths, kernel: RecordingKernel, layers: list[str], owners: dict[str, tuple[int, int]]
) -> None:
    """Image layers are mounted with mapped ids, the writable layer belongs to the pod's root, and all goes again."""
    volume = Path(layers[0]).parent / "file"
    volume.touch()
    async with mapped(
        kernel, paths, MAPPED, "c1", [overlay(layers)], userns="/u", sources={"mount-0": str(volume)}
    ) as mounts:
        places = [str(paths.idmapped() / "c1" / name) for name in ("mount-0", "layer-0", "layer-1")]
        assert kernel.mounts == places
        assert [call.args for call in kernel.calls if call.name == "mount_idmapped"] == [
            (source, place, "/u") for source, place in zip((str(volume), *layers[:2]), places, strict=True)
        ]
        assert list(mounts[0].options)[-1] == f"lowerdir={places[1]}:{places[2]}"
        assert list(mounts[0].options)[:-1] == list(overlay(layers).options)[:-1]
    info = Path(layers[0]).stat()
    expected = (100_000 + info.st_uid, 100_000 + info.st_gid)
    assert owners == {layers[2]: expected}
    assert not kernel.mounts
    assert not (paths.idmapped() / "c1").exists()


async def test_root_file_systems_without_layers(
    paths: Paths, kernel: RecordingKernel, tmp_path: Path, owners: dict[str, tuple[int, int]]
) -> None:
    """One without an image is the container's own; one that is mapped already is left as it is."""
    own = Mount(type="bind", source=str(tmp_path), options=["rw", "rbind"])
    ready = Mount(type="overlay", source="overlay", options=["uidmap=0:100000:65536", "lowerdir=/a", "upperdir=/b"])
    async with mapped(kernel, paths, MAPPED, "c1", [own, ready], userns="/u", sources={}) as mounts:
        assert list(mounts) == [own, ready]
    assert owners == {str(tmp_path): (100_000, 100_000)}
    assert "mount_idmapped" not in kernel.names()


@pytest.mark.parametrize(
    "mount",
    [
        Mount(type="ext4", source="/dev/x", options=["rw"]),
        Mount(type="bind", source="/a", options=["ro"]),
        Mount(type="overlay", source="overlay", options=["lowerdir=/a"]),
    ],
    ids=["another type", "read-only", "without a writable layer"],
)
async def test_a_snapshotter_that_does_not_fit(paths: Paths, kernel: RecordingKernel, mount: Mount) -> None:
    """The refusal says which one does."""
    with pytest.raises(FailedPreconditionError, match="needs the snapshotter overlayfs"):
        async with mapped(kernel, paths, MAPPED, "c1", [mount], userns="/u", sources={}):
            pytest.fail("nothing was to be made")


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOMEM])
@pytest.mark.usefixtures("owners")
async def test_a_mount_that_fails(paths: Paths, kernel: RecordingKernel, layers: list[str], number: int) -> None:
    """The refusal names what cannot be mounted; a node without memory is no fault of it. Nothing is left."""
    kernel.fail["mount_idmapped"] = OSError(number, os.strerror(number), layers[0])
    expected: type[Exception] = FailedPreconditionError if number == errno.EINVAL else OSError
    with pytest.raises(expected, match="lower-1"):
        async with mapped(kernel, paths, MAPPED, "c1", [overlay(layers)], userns="/u", sources={}):
            pytest.fail("nothing was to be made")
    assert not (paths.idmapped() / "c1").exists()


@pytest.mark.usefixtures("owners")
async def test_mounts_of_a_daemon_that_died(paths: Paths, kernel: RecordingKernel, layers: list[str]) -> None:
    """They are taken away before new ones are made, and at the container's removal."""
    place = paths.idmapped() / "c1/layer-0"
    place.mkdir(parents=True)
    kernel.mounts.append(str(place))
    async with mapped(kernel, paths, MAPPED, "c1", [overlay(layers)], userns="/u", sources={}):
        assert kernel.names().index("umount") < kernel.names().index("mount_idmapped")
    for config, there in ((container_config("a"), True), (container_config("a", userns=USERNS), False)):
        place.mkdir(parents=True, exist_ok=True)
        await remove_mapped(kernel, paths, Container("c1", "c1", "p1", config, Status(), "sha256:1"))
        assert place.exists() is there


@pytest.mark.parametrize("sandbox", [MAPPED, PLAIN], ids=["mapped", "plain"])
async def test_a_container_of_a_pod(paths: Paths, kernel: RecordingKernel, sandbox: Sandbox, tmp_path: Path) -> None:
    """What was noted when it was made is mounted by the namespace of the pod's process."""
    sandboxes: Index[Sandbox] = Index("sandbox")
    sandboxes.put(sandbox)
    container = Container("c1", "c1", sandbox.id, container_config("a"), Status(), "sha256:1")
    paths.container_state("c1").mkdir(parents=True)
    note_sources(paths, "c1", {"mount-0": str(tmp_path)})
    async with mapped_for(kernel, paths, sandboxes, container, []):
        place = str(paths.idmapped() / "c1/mount-0")
        calls = [call.args for call in kernel.calls if call.name == "mount_idmapped"]
        assert calls == ([(str(tmp_path), place, "/proc/7/ns/user")] if sandbox is MAPPED else [])


@pytest.mark.usefixtures("owners")
async def test_a_whole_pod(fake: FakeContainerd, kernel: RecordingKernel, client: Client) -> None:
    """Its container starts on mapped layers, of which none is left mounted."""
    image = "registry.k8s.io/pause:3.10"
    config = pod_config(userns=USERNS)
    pod_id = (await client.RunPodSandbox(config=config)).pod_sandbox_id
    asked = container_config(image, userns=USERNS)
    created = await client.CreateContainer(pod_sandbox_id=pod_id, config=asked, sandbox_config=config)
    await client.StartContainer(container_id=created.container_id)
    (rootfs,) = fake.task(created.container_id).rootfs
    assert f"idmapped/{created.container_id}/layer-0" in next(one for one in rootfs.options if "lowerdir" in one)
    assert not [target for target in kernel.mounts if "idmapped" in target]
    kernel.fail["mount_idmapped"] = OSError(errno.EINVAL, "Invalid argument", "/layer")
    asked = container_config(image, "second", userns=USERNS)
    created = await client.CreateContainer(pod_sandbox_id=pod_id, config=asked, sandbox_config=config)
    code, text = await failure(client.StartContainer(container_id=created.container_id))
    assert "/layer cannot be mounted with mapped ids" in text, code
