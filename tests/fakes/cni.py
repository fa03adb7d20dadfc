"""A CNI network whose one plugin is a small shell script: it notes its calls and says what a test wants it to say.

Everything is kept in files, so that the object may be made before the service or after it. The script starts no program
that it need not: it runs thousands of times.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PLUGIN = "fake"
ADDRESS = "10.88.0.7"

_SCRIPT = """#!/bin/sh
case "$CNI_COMMAND" in ADD|DEL) ;; *) exit 0 ;; esac
echo "$CNI_COMMAND $CNI_CONTAINERID begun" >> '{calls}'
while [ -e '{directory}'/hold-"$CNI_COMMAND" ]; do sleep 0.01; done
if [ "$CNI_COMMAND" = ADD ]; then echo "+$CNI_CONTAINERID" >> '{attached}'; fi
if [ -e '{directory}'/fail-"$CNI_COMMAND" ]; then
  echo "$CNI_COMMAND $CNI_CONTAINERID failed" >> '{calls}'
  read -r words < '{directory}'/fail-"$CNI_COMMAND"
  echo '{{"cniVersion":"1.0.0","code":100,"msg":"'"$words"'"}}'
  exit 1
fi
if [ "$CNI_COMMAND" = DEL ]; then echo "-$CNI_CONTAINERID" >> '{attached}'; else echo '{result}'; fi
echo "$CNI_COMMAND $CNI_CONTAINERID ended" >> '{calls}'
"""


class FakeCni:
    """The network below ``directory``: its plugin directory, its configuration, its cache, and what a plugin has done.

    ``fail("ADD", words)`` has the plugin refuse, after it has attached the pod; ``hold("ADD")`` has it wait.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.bin_dir, self.conf_dir, self.cache_dir = (directory / name for name in ("bin", "conf", "cache"))
        self._attached, self._calls = directory / "attached", directory / "calls"
        if directory.exists():
            return
        for each in (self.bin_dir, self.conf_dir, self.cache_dir):
            each.mkdir(parents=True)
        for each in (self._attached, self._calls):
            each.touch()
        result = json.dumps(_result())
        script = self.bin_dir / PLUGIN
        script.write_text(
            _SCRIPT.format(directory=directory, calls=self._calls, attached=self._attached, result=result)
        )
        script.chmod(0o755)
        network = {"cniVersion": "1.0.0", "name": "fake", "plugins": [{"type": PLUGIN}]}
        (self.conf_dir / "10-fake.conflist").write_text(json.dumps(network))

    @property
    def calls(self) -> list[tuple[str, str, str]]:
        """Every step of every run: command, sandbox id, and ``begun``, ``ended`` or ``failed``."""
        lines = self._calls.read_text().splitlines()
        return [(command, id_, step) for command, id_, step in (line.split() for line in lines)]

    @property
    def commands(self) -> list[str]:
        """The commands of all runs in the order in which they began."""
        return [command for command, _, step in self.calls if step == "begun"]

    @property
    def attached(self) -> set[str]:
        """The sandboxes that are on the network."""
        there: set[str] = set()
        for line in self._attached.read_text().splitlines():
            (there.add if line[0] == "+" else there.discard)(line[1:])
        return there

    def fail(self, command: str, words: str = "the plugin says no") -> None:
        """Have every further run of ``command`` fail with ``words``."""
        (self.directory / f"fail-{command}").write_text(f"{words}\n")

    def hold(self, command: str) -> None:
        """Have every further run of ``command`` wait for :meth:`mend`."""
        (self.directory / f"hold-{command}").touch()

    def mend(self) -> None:
        """Have the plugin work again."""
        for path in (*self.directory.glob("fail-*"), *self.directory.glob("hold-*")):
            path.unlink()


def _result() -> dict[str, object]:
    return {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:01", "sandbox": "/run/netns/fake"}],
        "ips": [{"address": f"{ADDRESS}/16", "gateway": "10.88.0.1", "interface": 0}],
    }
