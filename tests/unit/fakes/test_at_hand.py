"""What the fake offers to tests beyond the services: images that are there, ends on demand, pids, output."""

from __future__ import annotations

import asyncio
import os

import pytest

from containerd_client import Containerd
from containerd_client.distribution.contents import read_contents
from containerd_client.distribution.values.manifest import Descriptor
from containerd_client.distribution.values.platforms import Platform
from tests.containerd_behaviour.scenarios.bundles import process, spec
from tests.containerd_behaviour.scenarios.things import PROCESS, packed, record
from tests.fakes.containerd import FakeContainerd


@pytest.fixture
async def fake(tmp_path):
    async with FakeContainerd(tmp_path / "c.sock") as fake:
        yield fake


@pytest.fixture
async def client(fake):
    async with Containerd(fake.address, namespace="k8s.io") as client:
        yield client


async def running(client: Containerd, script: str = "sleep 1000", stdout: str = "") -> None:
    await client.containers.create(record("c", spec=spec("k8s.io", "c", script)))
    await client.tasks.create("c", stdout=stdout)
    await client.tasks.start("c")


async def test_an_image_is_there_with_all_that_hangs_on_it(fake, client):
    """Its contents can be read, its snapshot be built on, and no collection takes anything of it."""
    image = fake.add_image("example.com/a:1", config={"User": "7"}, layers=[{"etc/passwd": b"x"}, {"bin/sh": b"#!"}])
    fake.collect_garbage()
    contents = await read_contents(client, Descriptor.of(image.target), Platform("linux", "amd64"))
    assert b'"User": "7"' in contents.config
    assert [info.name for info in await client.snapshots("overlayfs").list()] == sorted(contents.chains)
    (mount,) = await client.snapshots("overlayfs").prepare("c", contents.chain_id)
    lower = next(option for option in mount.options if option.startswith("lowerdir="))
    top, bottom = lower.removeprefix("lowerdir=").split(":")
    assert (os.listdir(f"{top}/bin"), os.listdir(f"{bottom}/etc")) == (["sh"], ["passwd"])
    await client.images.delete("example.com/a:1")
    await client.images.delete(contents.id, sync=True)
    assert not fake.state["k8s.io"].content


async def test_a_removal_has_the_collector_run_soon(fake, client):
    """As containerd's does, without a synchronous delete."""
    async with client.leases.hold():
        await client.snapshots("overlayfs").prepare("s")
    async with asyncio.timeout(20):
        while fake.state["k8s.io"].snapshots["overlayfs"]:
            await asyncio.sleep(0.005)
    assert not list(fake.snapshots.directory("overlayfs", 1).parent.parent.iterdir())


async def test_a_test_ends_processes_and_reports_oom(fake, client):
    """The events come in order, and every waiter gets the code."""
    await running(client)
    waiting = asyncio.create_task(client.tasks.wait("c"))
    fake.oom("c")
    fake.exit_task("c", 42)
    assert (await waiting).code == 42
    await client.tasks.delete("c")
    assert fake.bus.topics()[-3:] == ["/tasks/oom", "/tasks/exit", "/tasks/delete"]


async def test_a_real_pid_can_be_lent(fake, client):
    """The next process of that name has it; made-up ones are beyond what a kernel gives out."""
    fake.give_pid("c", os.getpid())
    await running(client)
    assert (await client.tasks.get("c")).pid == os.getpid()
    await client.tasks.exec("c", "e", spec=packed(PROCESS, process("sleep 1000")))
    assert await client.tasks.start("c", "e") > 4_194_304


async def test_output_goes_to_the_fifos_and_ends_with_the_process(fake, client, tmp_path):
    """A reader gets the bytes, and the end of the file after the exit."""
    path = tmp_path / "stdout"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        await running(client, "echo hello", stdout=str(path))
        await client.tasks.wait("c")
        assert os.read(reader, 100) == b"hello\n"
        assert os.read(reader, 100) == b""
    finally:
        os.close(reader)
