"""Attach a network namespace to the node's network and detach it, program by program, as the CNI specification says.

A plugin gets its own part of the configuration on standard input, with the name and version of the list and the result
of the plugin before it. The environment holds the command and its parameters. A DEL goes through the list backwards.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Literal

from cri_shim.bench.floor.errors import FloorError
from untrusted import escaped

if TYPE_CHECKING:
    from pathlib import Path

    from cri_shim.bench.floor.recipe import Network
    from cri_shim.bench.floor.stages import Stages

Command = Literal["ADD", "DEL"]
INTERFACE = "eth0"
TIMEOUT = 60.0
"""The time limit of one plugin in seconds."""
_SHOWN = 500


class Attachment:
    """One namespace on the network; ``result`` is the last plugin's result once it is attached."""

    def __init__(self, network: Network, pod: str, netns: Path) -> None:
        """Describe an attachment; nothing runs yet."""
        self.network = network
        self.pod = pod
        self.netns = netns
        self.result: dict[str, Any] | None = None

    def add(self, stages: Stages) -> None:
        """Run the ADD of every plugin in order. Raises `FloorError` when one fails, or gives no address."""
        result: dict[str, Any] | None = None
        for plugin in self.network.plugins:
            with stages.time(f"CNI ADD {plugin['type']}"):
                result = json.loads(self._run("ADD", plugin, result))
        if not result or not result.get("ips"):
            raise FloorError(f"the CNI network {escaped(self.network.name)} gave the pod no address")
        self.result = result

    def remove(self, stages: Stages) -> None:
        """Run the DEL of every plugin, the last first. Raises `FloorError` when some failed, after the others ran."""
        wrong = []
        for plugin in reversed(self.network.plugins):
            with stages.time(f"CNI DEL {plugin['type']}"):
                try:
                    self._run("DEL", plugin, self.result)
                except FloorError as error:
                    wrong.append(str(error))
        if wrong:
            raise FloorError("; ".join(wrong))

    def _run(self, command: Command, plugin: dict[str, Any], previous: dict[str, Any] | None) -> str:
        program = plugin_path(plugin["type"], self.network.bin_dirs)
        stdin = {**plugin, "name": self.network.name, "cniVersion": self.network.version}
        if previous is not None:
            stdin["prevResult"] = previous
        environment = {
            **os.environ,
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": self.pod,
            "CNI_NETNS": str(self.netns),
            "CNI_IFNAME": INTERFACE,
            "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAMESPACE=floor;K8S_POD_NAME={self.pod}",
            "CNI_PATH": ":".join(self.network.bin_dirs),
        }
        try:
            done = subprocess.run(
                [program],
                input=json.dumps(stdin).encode(),
                env=environment,
                capture_output=True,
                timeout=TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise FloorError(f"CNI {command} of {plugin['type']} did not end within {TIMEOUT:g} s") from error
        if done.returncode:
            said = escaped((done.stdout or done.stderr).decode(errors="replace").strip())[:_SHOWN]
            raise FloorError(f"CNI {command} of {plugin['type']} failed: {said or f'exit code {done.returncode}'}")
        return done.stdout.decode()


def plugin_path(kind: str, bin_dirs: tuple[str, ...]) -> str:
    """Return the program of a plugin. Raises `FloorError` when no folder has it."""
    program = None if "/" in kind else shutil.which(kind, path=":".join(bin_dirs))
    if program is None:
        raise FloorError(
            f"the CNI plugin {escaped(kind)} is not in {' or '.join(bin_dirs)}: install it, or name its folder with "
            "--cni-bin-dir"
        )
    return program
