"""Mounts and devices of containers."""

from __future__ import annotations

import subprocess

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.containerd import unmount_below
from lab.cri_client import failure


@pytest.fixture
def shared_directory(tmp_path):
    """A directory of the node that is a shared mount."""
    for command in (["--bind", str(tmp_path), str(tmp_path)], ["--make-shared", str(tmp_path)]):
        subprocess.run(["mount", *command], check=True)
    yield tmp_path
    unmount_below(tmp_path)


def mount(source, target="/mnt", **fields):
    """A CRI mount."""
    return cri.Mount(container_path=target, host_path=str(source), **fields)


@pytest.mark.proves("ContainerConfig.mounts", "Mount.container_path", "Mount.host_path")
async def test_a_directory_is_mounted_writable(pod, tmp_path):
    """What the container writes is in the node's directory."""
    await pod.output("echo inside > /mnt/file", mounts=[mount(tmp_path)])
    assert (tmp_path / "file").read_text() == "inside\n"


@pytest.mark.proves("Mount.readonly")
async def test_a_directory_is_mounted_read_only(pod, tmp_path):
    """A read-only mount can be read and not written."""
    (tmp_path / "file").write_text("outside\n")
    script = "cat /mnt/file; touch /mnt/new 2>/dev/null && echo written || echo refused"
    assert await pod.output(script, mounts=[mount(tmp_path, readonly=True)]) == "outside\nrefused"


async def test_a_file_is_mounted(pod, tmp_path):
    """A single file can be mounted, over one that the image has too."""
    (tmp_path / "file").write_text("mine\n")
    assert await pod.output("cat /etc/passwd", mounts=[mount(tmp_path / "file", "/etc/passwd")]) == "mine"


async def test_a_symlink_of_the_node_is_followed(pod, tmp_path):
    """A host path that is a symbolic link leads to what it points to."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text("linked\n")
    (tmp_path / "link").symlink_to("real")
    assert await pod.output("cat /mnt/file", mounts=[mount(tmp_path / "link")]) == "linked"


async def test_nested_mounts_are_made_from_the_outside_in(pod, tmp_path):
    """A mount inside another is visible whatever their order in the request."""
    for name in ("outer", "inner"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    (tmp_path / "outer" / "sub").mkdir()
    mounts = [mount(tmp_path / "inner", "/mnt/sub"), mount(tmp_path / "outer", "/mnt")]
    assert await pod.output("ls /mnt /mnt/sub | xargs", mounts=mounts) == "/mnt: outer sub /mnt/sub: inner"


async def test_propagation_private_is_the_default(pod, shared_directory):
    """A mount made on the node later is not seen in the container."""
    (shared_directory / "sub").mkdir()
    container = await pod.start(mounts=[mount(shared_directory)])
    subprocess.run(["mount", "-t", "tmpfs", "lab", str(shared_directory / "sub")], check=True)
    assert await container.output("grep -c ' /mnt/sub ' /proc/mounts || true") == "0"


@pytest.mark.proves("Mount.propagation")
async def test_propagation_from_the_node(pod, shared_directory):
    """With HOST_TO_CONTAINER a mount made on the node later is seen in the container."""
    (shared_directory / "sub").mkdir()
    propagation = cri.PROPAGATION_HOST_TO_CONTAINER
    container = await pod.start(mounts=[mount(shared_directory, propagation=propagation)])
    subprocess.run(["mount", "-t", "tmpfs", "lab", str(shared_directory / "sub")], check=True)
    assert await container.output("grep -c ' /mnt/sub ' /proc/mounts || true") == "1"


@pytest.mark.proves("Mount.propagation")
async def test_propagation_both_ways(node, shared_directory):
    """With BIDIRECTIONAL a mount that a privileged container makes is seen on the node."""
    (shared_directory / "sub").mkdir()
    pod = await node.run(security={"privileged": True})
    container = await pod.start(
        security={"privileged": True},
        mounts=[mount(shared_directory, propagation=cri.PROPAGATION_BIDIRECTIONAL)],
    )
    await container.output("mount -t tmpfs inside /mnt/sub && echo seen > /mnt/sub/file")
    assert (shared_directory / "sub" / "file").read_text() == "seen\n"


async def test_propagation_that_the_source_does_not_allow_is_refused(pod, tmp_path):
    """BIDIRECTIONAL on a directory that is no shared mount is refused with the path."""
    subprocess.run(["mount", "--bind", str(tmp_path), str(tmp_path)], check=True)
    subprocess.run(["mount", "--make-private", str(tmp_path)], check=True)
    try:
        mounts = [mount(tmp_path, propagation=cri.PROPAGATION_BIDIRECTIONAL)]
        _, message = await failure(pod.create(mounts=mounts))
        assert str(tmp_path) in message
        assert "shared" in message
    finally:
        unmount_below(tmp_path)


@pytest.mark.proves("ContainerConfig.devices", "Device.container_path", "Device.host_path")
async def test_a_device_is_added(pod):
    """A device of the node appears under the container's name and can be used."""
    device = cri.Device(host_path="/dev/zero", container_path="/dev/my-zero", permissions="rwm")
    assert await pod.output("head -c 3 /dev/my-zero | wc -c; test -c /dev/my-zero", devices=[device]) == "3"


@pytest.mark.proves("Device.permissions")
async def test_a_devices_permissions_hold(pod):
    """A device that may only be read cannot be written."""
    device = cri.Device(host_path="/dev/loop-control", container_path="/dev/my-loop", permissions="r")
    opened = "(exec 3{0}/dev/my-loop) 2>/dev/null && echo yes || echo no"
    script = f"{opened.format('<')}; {opened.format('>')}"
    assert await pod.output(script, devices=[device]) == "yes\nno"


async def test_a_device_that_is_missing_is_refused(pod):
    """A device that the node does not have is an error that names it."""
    device = cri.Device(host_path="/dev/no-such", container_path="/dev/no-such", permissions="rwm")
    _, message = await failure(pod.create(devices=[device]))
    assert "/dev/no-such" in message


async def test_the_usual_devices_are_there(pod):
    """null, zero, full, random, urandom, tty and ptmx are there, and work."""
    script = "cd /dev && ls null zero full random urandom tty ptmx | xargs; echo x > null; head -c 2 urandom | wc -c"
    assert await pod.output(script) == "full null ptmx random tty urandom zero\n2"


async def test_the_usual_mounts_are_there(pod):
    """/proc, /sys, /dev, /dev/pts, /dev/shm, /dev/mqueue and the cgroups are mounted."""
    mounted = {line.split()[1] for line in (await pod.output("cat /proc/mounts")).splitlines()}
    assert {"/proc", "/sys", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys/fs/cgroup"} <= mounted


@pytest.mark.proves("Mount.selinux_relabel")
async def test_relabelling_where_there_is_no_selinux(pod, tmp_path):
    """A mount that is to be relabelled is an ordinary one on a node without SELinux."""
    (tmp_path / "file").write_text("outside\n")
    assert await pod.output("cat /mnt/file", mounts=[mount(tmp_path, selinux_relabel=True)]) == "outside"


NEW = pytest.mark.plugin_differs("1.x does not know the field", before="2.0")


@pytest.mark.proves("Mount.recursive_read_only")
@pytest.mark.parametrize("recursive", [False, pytest.param(True, marks=NEW)])
async def test_a_mount_is_read_only_all_the_way_down(pod, tmp_path, recursive):
    """With recursive_read_only what is mounted further down cannot be written either; without, it can."""
    (tmp_path / "sub").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "lab", str(tmp_path / "sub")], check=True)
    try:
        mounts = [mount(tmp_path, readonly=True, recursive_read_only=recursive)]
        container = await pod.start(mounts=mounts)
        script = "touch /mnt/sub/new 2>/dev/null && echo written || echo refused"
        assert await container.output(script) == ("refused" if recursive else "written")
        (shown,) = (await container.status()).mounts
        assert shown.recursive_read_only == recursive
        await container.remove()
    finally:
        unmount_below(tmp_path)
