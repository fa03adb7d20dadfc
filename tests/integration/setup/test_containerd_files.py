"""A real containerd, started as the drop-in of a set-up starts it, has no CRI plugin, whatever its usual file says."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from pathlib import Path

import pytest

from cri_shim.setup import targets
from cri_shim.setup.containerd_unit import containerd_command
from cri_shim.setup.node import read_node
from cri_shim.setup.plan import Options, WriteFile, make_plan
from cri_shim.setup.systemd import SystemdError, check_containerd
from lab.containerd import PrivateContainerd
from lab.processes import Daemon

ON_ITS_SIDE = "io.containerd.snapshotter.v1.btrfs"
"""What the administrator has disabled, under its name of version 2 and 3."""
CRI = {"cri", "podsandbox"}
"""Names of the plugin's parts in `ctr plugins ls`; "runtime" and "images" have the type io.containerd.cri.v1."""


class Node:
    """A containerd that reads the files of a set-up on a file system of our own."""

    def __init__(self, directory: Path, usual: str) -> None:
        self.containerd = PrivateContainerd(directory / "c", cri_plugin=False)
        self.directory = directory
        program = self.containerd.daemon.command[0]
        places = f'root = "{directory}/c/root"\nstate = "{directory}/c/state"\n'
        keys, bracket, tables = usual.partition("[plugins")
        own = directory / "usual.toml"
        own.write_text(f'{keys}{places}[grpc]\naddress = "{self.containerd.address}"\n{bracket}{tables}')
        self.unit = f"[Service]\nExecStart={program} --config {own}\n"
        self.usual = own

    def set_up(self, options: Options) -> dict[str, str]:
        """Return the files that a set-up writes for this containerd."""
        root = self.directory / "root"
        (root / "lib/systemd/system").mkdir(parents=True)
        (root / "lib/systemd/system/containerd.service").write_text(self.unit)
        # The usual file is where the unit says, below the root of the node.
        inside = root / str(self.usual).lstrip("/")
        inside.parent.mkdir(parents=True)
        shutil.copy(self.usual, inside)
        plan = make_plan(read_node(root, program="/usr/bin/cri-shim"), options, {}, ())
        assert not plan.problems
        return {one.path: one.content.decode() for one in plan.changes if isinstance(one, WriteFile)}

    def start(self, files: dict[str, str]) -> None:
        """Start it by the command of the drop-in."""
        place = self.directory / "containerd.toml"
        place.write_text(files[targets.CONTAINERD_CONFIG])
        command = containerd_command([("/etc/containerd.service", files[targets.CONTAINERD_DROP_IN])])
        arguments = [command.program, *command.arguments, "--config", str(place)]
        assert shlex.join(arguments[:1]) in self.unit
        check_containerd(command.program, str(place))
        daemon = Daemon("containerd", arguments, self.directory / "containerd.log", self.containerd.daemon.environment)
        self.containerd.daemon = daemon
        daemon.start(lambda: bool(self.plugins()))

    def plugins(self) -> set[str]:
        """Return the names of the plugins that it has loaded, with their types; empty until it answers."""
        try:
            rows = self.containerd.ctr("plugins", "ls").splitlines()[1:]
        except RuntimeError:
            return set()
        return {".".join(row.split()[:2]) for row in rows}


USUAL = {
    "version 2": f'version = 2\ndisabled_plugins = ["{ON_ITS_SIDE}"]\n',
    "Docker's": 'disabled_plugins = ["cri"]\n',
    "version 1": 'version = 1\ndisabled_plugins = ["btrfs"]\n',
    "version 1, the plugin configured": 'disabled_plugins = ["btrfs"]\n[plugins.cri]\nsandbox_image = "a"\n',
    "version 3": f'version = 3\ndisabled_plugins = ["{ON_ITS_SIDE}"]\n',
}


@pytest.mark.root
@pytest.mark.parametrize("pods_only", [False, True], ids=["no CRI", "pods only"])
@pytest.mark.parametrize("usual", USUAL)
def test_the_plugin_is_off_and_the_usual_file_holds(usual, pods_only):
    """Its socket is the one of the usual file, and what that disables stays disabled."""
    if shutil.which("containerd") is None:
        pytest.skip("containerd is not installed")
    with tempfile.TemporaryDirectory(prefix="cs-") as name:
        node = Node(Path(name), USUAL[usual])
        if usual == "version 3" and node.containerd.version < (2,):
            pytest.skip("this containerd reads no version 3")
        node.start(node.set_up(Options(pods_only=pods_only)))
        try:
            loaded = node.plugins()
        finally:
            node.containerd.stop()
    assert not {one for one in loaded if one.rpartition(".")[2] in CRI or one.startswith("io.containerd.cri.v1")}
    assert "io.containerd.snapshotter.v1.overlayfs" in loaded
    if "cri" not in USUAL[usual].partition("\n")[0]:
        assert ON_ITS_SIDE not in loaded
    assert ("io.containerd.internal.v1.restart" in loaded) <= (not pods_only)


@pytest.mark.root
def test_what_containerd_refuses_is_noticed_before_a_restart(tmp_path):
    """The file of version 2 beside Docker's, which containerd 1.x does not read; 2.x does."""
    if shutil.which("containerd") is None:
        pytest.skip("containerd is not installed")
    node = Node(tmp_path, USUAL["Docker's"])
    place = tmp_path / "containerd.toml"
    place.write_text(f'version = 2\nimports = ["{node.usual}"]\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
    program = node.containerd.daemon.command[0]
    if node.containerd.version < (2,):
        with pytest.raises(SystemdError, match="refuses"):
            check_containerd(program, str(place))
    else:
        check_containerd(program, str(place))
    place.write_text(f'version = 2\nroot = "{tmp_path}/r"\nstate = "{tmp_path}/s"\n')
    with pytest.raises(SystemdError, match="still have its CRI plugin"):
        check_containerd(program, str(place))
