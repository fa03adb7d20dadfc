"""A made-up recipe, plugins that write down what they are asked, and a runc that starts nothing but a sleep."""

from __future__ import annotations

import os
import subprocess
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cri_shim.bench.floor.errors import FloorError
from cri_shim.bench.floor.recipe import Container, Network, Recipe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOSTS = "/side/sandboxes/POD/hosts"
FOLDER = "/side/sandboxes/POD/secrets"


def spec(**more: Any) -> dict[str, Any]:
    """A runtime spec with one of everything that the script looks at, and something that it does not."""
    return {
        "ociVersion": "1.0.2",
        "root": {"path": "/side/rootfs", "readonly": True},
        "process": {"args": ["sleep"], "cwd": "/"},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/etc/hosts", "type": "bind", "source": HOSTS, "options": ["rbind", "rw"]},
            {"destination": "/run/secrets", "type": "bind", "source": FOLDER, "options": ["rbind", "ro"]},
            {"destination": "/dev/shm", "type": "bind", "source": "/side/sandboxes/POD/shm", "options": ["rbind"]},
            {"destination": "/etc/localtime", "type": "bind", "source": "/etc/localtime", "options": ["rbind"]},
        ],
        "linux": {
            "cgroupsPath": "/side/podX/ID",
            "resources": {"memory": {"limit": 1 << 27}},
            "seccomp": {"defaultAction": "SCMP_ACT_ERRNO"},
            "namespaces": [
                {"type": "pid"},
                {"type": "ipc"},
                {"type": "uts", "path": "/proc/7/ns/uts"},
                {"type": "mount"},
                {"type": "network", "path": "/side/netns/x"},
            ],
        },
        **more,
    }


def recipe(directory: Path, plugins: tuple[str, ...] = ("first", "second"), **more: Any) -> Recipe:
    """A recipe whose plugins are in ``directory``/bin."""
    network = Network("net", "1.0.0", tuple({"type": name, "own": name} for name in plugins), (str(directory / "bin"),))
    return Recipe(
        **{
            "container": Container(spec(), "/layers/1"),
            "pause": Container(spec(), "/layers/0", ("index=off",)),
            "network": network,
            "runc": "/bin/false",
            "disk": str(directory / "disk"),
            "cgroup_parent": "/made-up-parent",
            "files": {HOSTS: "127.0.0.1 localhost\n"},
            "folders": (FOLDER,),
            "hostname": "made-up",
            **more,
        }
    )


def write_plugin(directory: Path, name: str, *, fails_at: str = "", answer: str = "") -> None:
    """A plugin that appends its command, environment and input to ``directory``/called, and answers with an address."""
    answer = answer or f'{{"cniVersion":"1.0.0","by":"{name}","ips":[{{"address":"10.0.0.2/24"}}]}}'
    path = directory / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        "#!/bin/sh\nread -r config\n"
        f'echo "{name} $CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME $config" >>{directory}/called\n'
        f'if [ "$CNI_COMMAND" = "{fails_at}" ]; then echo \'{{"code":11,"msg":"no more addresses"}}\'; exit 1; fi\n'
        f"if [ \"$CNI_COMMAND\" = ADD ]; then echo '{answer}'; fi\n"
    )
    path.chmod(0o755)


def called(directory: Path) -> list[list[str]]:
    """What plugins were asked: words, of which the last is what came on standard input."""
    file = directory / "called"
    return [line.split(" ", 4) for line in file.read_text().splitlines()] if file.exists() else []


@dataclass
class FakeRunc:
    """Writes down its commands; each container is a sleep. ``fail_at`` is the command that fails, as written down.

    ``before`` is called with each command before it is done.
    """

    fail_at: str = ""
    before: Callable[[str], None] = lambda _command: None
    did: list[str] = field(default_factory=list)
    sleeps: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def _do(self, command: str, container: str) -> None:
        words = f"{command} {container.rpartition('-')[2]}"
        self.before(words)
        with self.lock:
            self.did.append(words)
        if words == self.fail_at:
            raise FloorError(f"runc {words} failed: as the test wants")

    def create(self, container: str, _bundle: Path) -> int:
        self._do("create", container)
        self.sleeps[container] = subprocess.Popen(["sleep", "60"])
        return os.pidfd_open(self.sleeps[container].pid)

    def start(self, container: str, _bundle: Path) -> None:
        self._do("start", container)

    def kill(self, container: str, _bundle: Path) -> None:
        self._do("kill", container)
        self._end(container)

    def delete(self, container: str, _bundle: Path, *, force: bool = False) -> None:
        self._do("delete --force" if force else "delete", container)
        self._end(container)

    def _end(self, container: str) -> None:
        if sleep := self.sleeps.pop(container, None):
            sleep.kill()
            sleep.wait()
