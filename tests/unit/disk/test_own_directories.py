"""What other users of the node may pass through."""

from __future__ import annotations

import stat

import pytest

from cri_shim.disk.own_directories import make_own_directories
from cri_shim.paths import Paths


@pytest.fixture
def paths(tmp_path):
    return Paths(tmp_path / "lib" / "root", tmp_path / "run" / "state")


def mode(directory):
    return stat.S_IMODE(directory.stat().st_mode)


def closed(paths):
    return {
        mode(directory)
        for directory in (
            paths.sandboxes_root(),
            paths.sandboxes_state(),
            paths.containers_root(),
            paths.containers_state(),
            paths.image_mounts(),
            paths.idmapped(),
        )
    }


def test_a_new_installation(paths):
    """Root and all below it and state is closed; state itself holds sockets for groups."""
    make_own_directories(paths)
    assert (mode(paths.root), closed(paths), mode(paths.state)) == (0o700, {0o700}, 0o711)


def test_an_installation_that_was_open(paths):
    """It is closed at the next start."""
    make_own_directories(paths)
    (paths.root / "root.lock").touch()
    for directory in (paths.root, paths.state, *paths.root.iterdir(), *paths.state.iterdir()):
        directory.chmod(0o711)
    make_own_directories(paths)
    assert (mode(paths.root), closed(paths), mode(paths.state)) == (0o700, {0o700}, 0o711)


def test_a_root_that_others_share(paths):
    """Where other things lie, only what is the daemon's own is closed."""
    paths.root.mkdir(parents=True)
    paths.root.chmod(0o755)
    (paths.root / "somebody's").mkdir()
    make_own_directories(paths)
    assert (mode(paths.root), closed(paths)) == (0o755, {0o700})
