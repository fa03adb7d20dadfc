"""A node with the daemon under test, and a real crictl that talks to it: that of CRICTL, or the one on PATH."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from cri_shim.state.stored.go_json import to_go_json
from lab.debian.criu import criu_folder
from lab.debian.packages import NotAvailableError
from lab.lab import Lab
from lab.pod_configs import container_config, pod_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from google.protobuf.message import Message

SECONDS = 60


@dataclass(frozen=True, slots=True)
class Printed:
    """How one crictl ended, and what it printed."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """What it printed, which must be JSON."""
        return json.loads(self.out)


@dataclass(slots=True)
class Crictl:
    """The program, with the endpoint and a configuration file of its own."""

    program: str
    lab: Lab
    directory: Path
    criu: bool
    pods: int = field(default=0)

    def command(self, *arguments: str) -> list[str]:
        """The command line."""
        return [self.program, "--config", str(self.directory / "crictl.yaml"), *map(str, arguments)]

    async def begin(self, *arguments: str, **more: Any) -> asyncio.subprocess.Process:
        """Start it, for a subcommand that goes on until it is ended; the caller ends it."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), asyncio.subprocess.PIPE) | more
        return await asyncio.create_subprocess_exec(*self.command(*arguments), **pipes)

    async def fails(self, *arguments: str, stdin: str = "") -> Printed:
        """Run it to its end, whatever that is."""
        process = await self.begin(*arguments)
        try:
            out, err = await asyncio.wait_for(process.communicate(stdin.encode()), SECONDS)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return Printed(process.returncode, out.decode(), err.decode())

    async def __call__(self, *arguments: str, stdin: str = "") -> Printed:
        """Run it; it must end well."""
        printed = await self.fails(*arguments, stdin=stdin)
        assert printed.code == 0, f"crictl {' '.join(map(str, arguments))}: {printed}"
        return printed

    def write(self, name: str, message: Message) -> str:
        """A configuration in a file, as crictl reads it."""
        path = self.directory / name
        path.write_text(json.dumps(to_go_json(message)))
        return str(path)

    def pod_file(self, **more: Any) -> str:
        """The configuration of one more pod."""
        self.pods += 1
        logs = self.lab.logs / f"pod-{self.pods}"
        logs.mkdir(exist_ok=True)
        config = pod_config(log_directory=logs, cgroup_parent=self.lab.cgroup_parent, **more)
        return self.write(f"pod-{self.pods}.json", config)

    def container_file(self, name: str = "main", **more: Any) -> str:
        """The configuration of a container."""
        return self.write(f"{name}.json", container_config(self.lab.busybox, name, **more))

    async def running(self, **more: Any) -> tuple[str, str]:
        """Make a pod and a running container in it, all by crictl; their ids."""
        pod_file, container_file = self.pod_file(), self.container_file(**more)
        pod = (await self("runp", pod_file)).out.strip()
        container = (await self("create", pod, container_file, pod_file)).out.strip()
        await self("start", container)
        return pod, container


@pytest.fixture(scope="session")
def program() -> str:
    """The crictl to test with."""
    path = shutil.which(os.environ.get("CRICTL", "crictl"))
    if path is None:
        pytest.skip("there is no crictl; name one by CRICTL=/path/to/crictl")
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def _crictl(program: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Crictl]:
    try:
        folder = await asyncio.to_thread(criu_folder)
    except NotAvailableError:
        folder = None
    directory = tmp_path_factory.mktemp("crictl")
    with pytest.MonkeyPatch.context() as patch:
        if folder is not None:
            patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        async with Lab("bridge") as lab:
            lines = (f"runtime-endpoint: {lab.endpoint}", f"image-endpoint: {lab.endpoint}", "timeout: 60", "")
            (directory / "crictl.yaml").write_text("\n".join(lines))
            yield Crictl(program, lab, directory, criu=folder is not None)


@pytest_asyncio.fixture(loop_scope="session")
async def crictl(_crictl: Crictl) -> AsyncIterator[Crictl]:
    """The program; the node is empty before and after each test."""
    yield _crictl
    await _crictl.lab.remove_all()
