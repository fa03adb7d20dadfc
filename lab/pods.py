"""Represent pods and containers as objects that know their client, so that a test reads like what it claims."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from lab.log_file import Entry, read_log, text
from lab.patience import patient
from lab.pod_configs import container_config, pod_config, sh

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lab.cri_client import CriClient

EXITED = cri.CONTAINER_EXITED
_numbers = itertools.count(1)


@dataclass(slots=True)
class Container:
    """One container of a pod."""

    client: CriClient
    id: str
    config: cri.ContainerConfig
    log: Path

    async def start(self) -> None:
        """Start the container."""
        await self.client.StartContainer(container_id=self.id)

    async def stop(self, timeout: int = 0) -> None:
        """Stop the container with ``timeout`` seconds of grace."""
        await self.client.StopContainer(container_id=self.id, timeout=timeout)

    async def remove(self) -> None:
        """Remove the container."""
        await self.client.RemoveContainer(container_id=self.id)

    async def status(self) -> cri.ContainerStatus:
        """Return its status."""
        response: cri.ContainerStatusResponse = await self.client.ContainerStatus(container_id=self.id)
        return response.status

    async def execute(self, *command: str, timeout: int = round(patient(10))) -> cri.ExecSyncResponse:
        """Run a command in it."""
        response: cri.ExecSyncResponse = await self.client.ExecSync(container_id=self.id, cmd=command, timeout=timeout)
        return response

    async def output(self, script: str) -> str:
        """Return the standard output of a shell script run in it, which must succeed."""
        done = await self.execute(*sh(script))
        assert done.exit_code == 0, f"{script!r} ended with {done.exit_code}: {done.stderr.decode()}"
        return done.stdout.decode().strip()

    async def ended(self, seconds: float = 15) -> cri.ContainerStatus:
        """Wait until it has exited, and return its status."""
        return await self.until(lambda status: status.state == EXITED, seconds)

    async def until(self, condition: Callable[[cri.ContainerStatus], bool], seconds: float = 15) -> cri.ContainerStatus:
        """Wait until ``condition`` accepts its status, and return that."""
        deadline = time.monotonic() + patient(seconds)
        while not condition(status := await self.status()):
            assert time.monotonic() < deadline, f"not within {seconds} s: {status}"
            await asyncio.sleep(0.02)
        return status

    def entries(self) -> list[Entry]:
        """Return the entries of its log."""
        return read_log(self.log)

    async def logged(self, wanted: str, seconds: float = 10) -> str:
        """Wait until its log contains a text, and return all of the log."""
        deadline = time.monotonic() + patient(seconds)
        while wanted not in (written := text(self.entries())):
            assert time.monotonic() < deadline, f"{wanted!r} not logged within {seconds} s: {written[-2000:]!r}"
            await asyncio.sleep(0.02)
        return written


@dataclass(slots=True)
class Pod:
    """One pod sandbox. ``image`` is the default image of its containers."""

    client: CriClient
    id: str
    config: cri.PodSandboxConfig
    image: str
    containers: list[Container] = field(default_factory=list)

    @classmethod
    async def run(cls, client: CriClient, image: str, *, handler: str = "", **config: Any) -> Pod:
        """Run a pod of :func:`pod_config`'s arguments."""
        described = pod_config(**config)
        response = await client.RunPodSandbox(config=described, runtime_handler=handler)
        return cls(client, response.pod_sandbox_id, described, image)

    async def create(self, name: str = "", **config: Any) -> Container:
        """Create a container of :func:`container_config`'s arguments."""
        described = container_config(config.pop("image", self.image), name or f"c{next(_numbers)}", **config)
        response = await self.client.CreateContainer(
            pod_sandbox_id=self.id, config=described, sandbox_config=self.config
        )
        log = Path(self.config.log_directory or "/nonexistent", described.log_path or "none")
        container = Container(self.client, response.container_id, described, log)
        self.containers.append(container)
        return container

    async def start(self, name: str = "", **config: Any) -> Container:
        """Create and start a container."""
        container = await self.create(name, **config)
        await container.start()
        return container

    async def output(self, script: str, **config: Any) -> str:
        """Return the standard output of a container that runs a shell script, which must succeed."""
        container = await self.start(command=sh(script), **config)
        status = await container.ended()
        printed = text(container.entries(), "stdout")
        assert status.exit_code == 0, f"{script!r}: {status.exit_code} {status.message} {text(container.entries())}"
        return printed.strip()

    async def status(self) -> cri.PodSandboxStatus:
        """Return its status."""
        response: cri.PodSandboxStatusResponse = await self.client.PodSandboxStatus(pod_sandbox_id=self.id)
        return response.status

    async def ip(self) -> str:
        """Return its first address."""
        return (await self.status()).network.ip

    async def stop(self) -> None:
        """Stop it."""
        await self.client.StopPodSandbox(pod_sandbox_id=self.id)

    async def remove(self) -> None:
        """Stop and remove it, with its containers."""
        try:
            await self.stop()
        except grpc.aio.AioRpcError as error:
            # The plugin of 1.6 answers this for a pod that is already gone.
            if error.code() != grpc.StatusCode.NOT_FOUND:
                raise
        await self.client.RemovePodSandbox(pod_sandbox_id=self.id)

    async def remove_containers(self) -> None:
        """Remove every container that was created through this object."""
        while self.containers:
            await self.containers.pop().remove()


def web_server(answer: str, port: int = 8080) -> Sequence[str]:
    """Return the command of a container that serves one page."""
    return sh(f"mkdir -p /www && echo {answer} > /www/index.html && exec httpd -f -p {port} -h /www")


def fetch_script(host: str, port: int = 8080) -> str:
    """Return the shell script that prints the page (by nc: Debian's static wget dies where there is an /etc/hosts)."""
    return f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w {patient(5):.0f} {host} {port} | tail -n 1"


async def fetch(host: str, port: int, seconds: float = 5) -> str:
    """Get a page by HTTP, retrying until the server is up; raises the last error after some seconds."""
    deadline = time.monotonic() + patient(seconds)
    while True:
        try:
            reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port), patient(2))
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            answer = await asyncio.wait_for(reader.read(), patient(2))
            writer.close()
            return answer.partition(b"\r\n\r\n")[2].decode().strip()
        except (OSError, TimeoutError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)
