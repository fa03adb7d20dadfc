"""docs/install.md, from the package to the first pod and back to nothing, as it is written there.

The node has the files of this machine, so that nothing has to be downloaded; all that is written is kept in memory.
`make test-install` runs the whole page, on Debians that have nothing yet.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.install.fresh_root import fresh_root
from tests.install.page import PAGE, blocks
from tests.install.plan import CONTENTS, CRI_IS_BACK, DOWNLOADS, FIRST_POD, NOTHING_LEFT
from tests.install.stand_ins import without_systemd
from tests.install.visit import crictl_program, type_commands

MINUTES = 15

pytestmark = [pytest.mark.root, pytest.mark.timeout(MINUTES * 60)]


def test_from_the_package_to_a_pod_and_back(package, capsys):
    """Each command of the two sections; those of crictl only where there is one, because Debian has none."""
    assert shutil.which("containerd"), "containerd is not installed"
    crictl = crictl_program()
    page = [block for block in blocks(PAGE.read_text()) if block.section in {FIRST_POD, CONTENTS}]
    commands = [command for block in page[1:] for command in block.commands if not command.startswith(DOWNLOADS)]
    with fresh_root(Path("/"), overlay=True) as root, without_systemd(root):
        directory = root.files / "root/package"
        directory.mkdir(parents=True)
        shutil.copy(package, directory)
        if crictl:
            shutil.copy(crictl, root.files / "usr/local/bin/crictl")
        typed = [*commands, NOTHING_LEFT, CRI_IS_BACK]
        ran = type_commands(root.enter, typed, Path("/root/package"), online=False, crictl=crictl is not None)
    assert "apt install ./cri-shim_*.deb" in [one.command for one in ran]
    assert [one for one in ran if one.code] == []
    assert len(ran) == len(typed) if crictl else len(ran) > 8
    print(capsys.readouterr().out)
