"""A containerd that has only what the daemon uses: deploy/systemd/containerd-only-pods.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest_asyncio

from lab.lab import Lab
from lab.pod_configs import sh
from lab.pods import Pod

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FILE = Path(__file__).parents[3] / "deploy/systemd/containerd-only-pods.toml"
DISABLED = tuple(tomllib.loads(FILE.read_text())["disabled_plugins"])
WITHOUT_PODSANDBOX = "sandbox-controllers"
"""The plugin of 2.x that cannot be without the CRI plugin's part, and is not used."""


class SmallLab(Lab):
    """A node with that containerd."""

    def prepare(self) -> None:
        """Disable what the file disables."""
        super().prepare()
        self.containerd.disabled = DISABLED


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lab() -> AsyncIterator[Lab]:
    """The node."""
    async with SmallLab("bridge") as lab:
        yield lab


async def test_a_pod_from_pull_to_removal(lab: Lab, tmp_path: Path) -> None:
    """Everything that a pod needs is there: images, snapshots, tasks, events of their ends, statistics."""
    pod = await Pod.run(lab.client, lab.busybox, cgroup_parent=lab.cgroup_parent, log_directory=tmp_path)
    try:
        container = await pod.start(command=sh("echo begun; exec sleep 1000"))
        await container.logged("begun")
        assert await container.output("echo here") == "here"
        (stats,) = (await lab.client.ListContainerStats()).stats
        assert stats.memory.usage_bytes.value > 0
        assert (await lab.client.ImageFsInfo()).image_filesystems[0].used_bytes.value > 0
        ending = await pod.start(command=sh("exit 3"))
        assert (await ending.ended()).exit_code == 3
    finally:
        await pod.remove()
    assert not (await lab.client.ListPodSandbox()).items


def test_no_other_plugin_is_lost(lab: Lab) -> None:
    """What is disabled is not listed, and nothing that is left fails for the lack of it."""
    rows = [line.split() for line in lab.containerd.ctr("plugins", "ls").splitlines()[1:]]
    assert not {f"{kind}.{name}" for kind, name, *_ in rows} & set(DISABLED)
    assert {name for _, name, *_, status in rows if status == "error"} <= {WITHOUT_PODSANDBOX}
