"""What a kubelet changes of the node is put back; a node with a kubelet of its own is not touched."""

from __future__ import annotations

import pytest

from cri_shim.bench.kubelet.node_state import SYSCTLS, NodeState, remove_log_links
from cri_shim.bench.kubelet.process import KubeletError


@pytest.fixture
def node(tmp_path):
    """A made-up file system."""
    for name in SYSCTLS:
        (tmp_path / "proc/sys" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "proc/sys" / name).write_text("0\n")
    (tmp_path / "proc/7").mkdir()
    (tmp_path / "proc/7/comm").write_text("sleep\n")
    return tmp_path


def run_a_kubelet(node) -> None:
    """Change what one changes."""
    (node / "proc/sys/kernel/panic").write_text("10\n")
    plugins = node / "var/lib/kubelet/device-plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    for name in ("kubelet.sock", "kubelet_internal_checkpoint"):
        (plugins / name).touch()
    (node / "var/log/containers").mkdir(parents=True, exist_ok=True)


def test_settings_and_directories_are_as_before(node):
    """The kernel's settings have their values, and what was not there is gone."""
    state = NodeState.read(node)
    run_a_kubelet(node)
    assert state.restore() == []
    assert (node / "proc/sys/kernel/panic").read_text() == "0\n"
    assert not (node / "var/lib/kubelet").exists()
    assert not (node / "var/log/containers").exists()


def test_what_was_there_before_stays(node):
    """Only its own files are removed from a directory that existed."""
    (node / "var/lib/kubelet/device-plugins").mkdir(parents=True)
    (node / "var/log/containers").mkdir(parents=True)
    (node / "var/lib/kubelet/config.yaml").write_text("the node's")
    state = NodeState.read(node)
    run_a_kubelet(node)
    assert state.restore() == []
    assert list((node / "var/lib/kubelet/device-plugins").iterdir()) == []
    assert (node / "var/lib/kubelet/config.yaml").exists()
    assert (node / "var/log/containers").is_dir()


def test_what_cannot_be_put_back_is_said(node):
    """A directory that something else uses meanwhile."""
    state = NodeState.read(node)
    run_a_kubelet(node)
    (node / "var/log/containers/other.log").touch()
    (said,) = state.restore()
    assert "var/log/containers was not there before and could not be removed" in said


def test_a_node_with_device_plugins_is_not_touched(node):
    """Another kubelet would remove their sockets."""
    (node / "var/lib/kubelet/device-plugins").mkdir(parents=True)
    (node / "var/lib/kubelet/device-plugins/gpu.sock").touch()
    with pytest.raises(KubeletError, match="is not empty"):
        NodeState.read(node)


def test_a_node_whose_kubelet_runs_is_not_touched(node):
    """It is named by its process."""
    (node / "proc/8").mkdir()
    (node / "proc/8/comm").write_text("kubelet\n")
    with pytest.raises(KubeletError, match="process 8 is a kubelet"):
        NodeState.read(node)


def test_a_kernel_without_keyrings_lacks_two_settings(node):
    """The others are kept."""
    (node / "proc/sys/kernel/keys/root_maxkeys").unlink()
    assert set(NodeState.read(node).sysctls) == {*SYSCTLS} - {"kernel/keys/root_maxkeys"}


def test_only_links_to_logs_of_this_comparison_are_removed(tmp_path):
    """Those of other pods, and files, stay."""
    links = tmp_path / "var/log/containers"
    links.mkdir(parents=True)
    logs = tmp_path / "logs"
    (links / "mine.log").symlink_to(logs / "pod/main/0.log")
    (links / "other.log").symlink_to("/var/log/pods/pod/main/0.log")
    (links / "beside.log").symlink_to(f"{logs}-2/pod/main/0.log")
    (links / "file.log").touch()
    remove_log_links(logs, tmp_path)
    assert {path.name for path in links.iterdir()} == {"other.log", "beside.log", "file.log"}


def test_a_kubelet_with_its_socket(node):
    """The socket is its own, so what is to end is the process."""
    run_a_kubelet(node)
    (node / "proc/7/comm").write_text("kubelet\n")
    with pytest.raises(KubeletError, match="process 7 is a kubelet"):
        NodeState.read(node)
