"""docs/install.md under a real systemd: from the package to the first pod and back to nothing, as it is written there.

The guest has the packages of the node already, because it reaches no network.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lab.patience import patient
from lab.registry import Registry
from tests.guest.installed import allowed, shown, systemctl
from tests.install.page import PAGE, blocks
from tests.install.plan import CONTENTS, CRI_IS_BACK, DOWNLOADS, FIRST_POD, NOTHING_LEFT
from tests.install.stand_ins import push_images, write_hosts
from tests.install.visit import type_commands

pytestmark = [
    pytest.mark.root,
    pytest.mark.timeout(patient(280)),
    pytest.mark.skipif(not allowed(), reason="installs packages on a machine of its own: make test-guest"),
]
CARRIED = Path("/opt/packages")


def test_from_the_package_to_a_pod_and_back(tmp_path):
    """The commands of two sections; those of crictl only if one was carried here, because Debian has none."""
    crictl = CARRIED / "crictl"
    page = [block for block in blocks(PAGE.read_text()) if block.section in {FIRST_POD, CONTENTS}]
    commands = [command for block in page[1:] for command in block.commands if not command.startswith(DOWNLOADS)]
    (package,) = (path for path in CARRIED.glob("cri-shim_*.deb") if "99" not in path.name)
    shutil.copy(package, tmp_path)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "PATH": f"{CARRIED}:{os.environ['PATH']}"}
    systemctl("start", "containerd")
    with Registry.start(tmp_path / "registry") as registry:
        push_images(registry.address)
        write_hosts(Path("/"), registry.address)
        typed = [*commands, NOTHING_LEFT, CRI_IS_BACK]
        ran = type_commands(
            [], typed, tmp_path, online=False, crictl=crictl.exists(), by_hand="", environment=environment
        )
    assert len(ran) == len(typed) if crictl.exists() else len(ran) > 8
    assert shown("ActiveState", "containerd.service") == "active"
    assert subprocess.run(["dpkg-query", "--show", "cri-shim"], capture_output=True, check=False).returncode != 0
