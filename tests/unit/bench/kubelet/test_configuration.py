"""A standalone kubelet's configuration keeps it to its own directory, cgroup and port."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cri_shim.bench.kubelet.configuration import KubeletPlace, cgroup_root
from cri_shim.bench.kubelet.process import KubeletError
from cri_shim.bench.kubelet.static_pods import manifest, write_manifests

ENDPOINT = "unix:///run/side.sock"


def place(directory: Path, parent: str = "/cri-compare-7-plugin") -> KubeletPlace:
    return KubeletPlace(Path("/opt/kubelet"), ENDPOINT, directory / "own", directory / "logs", parent, 12345)


@pytest.mark.parametrize(
    ("parent", "root"),
    [
        ("/cri-compare-7-plugin", "/cri-compare-7-plugin"),
        ("a/b", "/a/b"),
        ("/cri_compare_7_plugin.slice", "/cri_compare_7_plugin"),
        ("/cri.slice/cri-compare_7.slice", "/cri/compare_7"),
    ],
)
def test_the_cgroup_root_is_a_path_with_either_driver(parent, root):
    """The kubelet makes names of slices from it, so that they come out as the parent that was asked for."""
    assert cgroup_root(parent) == root


def test_all_that_it_keeps_is_below_its_directory_but_the_logs(tmp_path):
    """The runtime of the side is the only thing that it connects to, and loopback the only address."""
    own = place(tmp_path)
    own.write(105)
    written = json.loads(own.configuration.read_text(encoding="utf-8"))
    assert written["containerRuntimeEndpoint"] == written["imageServiceEndpoint"] == ENDPOINT
    assert written["podLogsDir"] == str(tmp_path / "logs")
    for key in ("staticPodPath", "volumePluginDir"):
        assert written[key].startswith(f"{own.directory}/")
    assert (written["address"], written["port"], written["readOnlyPort"], written["healthzPort"]) == (
        *("127.0.0.1", 12345),
        *(0, 0),
    )
    assert written["cgroupRoot"] == "/cri-compare-7-plugin"
    assert written["cgroupDriver"] == "cgroupfs"
    assert written["maxPods"] > 105
    assert own.manifests.is_dir()
    command = own.command()
    assert command[0] == "/opt/kubelet"
    assert all(word.startswith("--") and "kubeconfig" not in word for word in command[1:])
    for flag in ("--root-dir=", "--cert-dir=", "--config="):
        assert any(word.startswith(f"{flag}{own.directory}/") for word in command), flag


def test_it_leaves_the_rest_of_the_node_alone(tmp_path):
    """Images are not collected, iptables chains not made; swap and cgroup v1 do not keep it from starting."""
    own = place(tmp_path)
    own.write(1)
    written = json.loads(own.configuration.read_text(encoding="utf-8"))
    assert written["imageGCHighThresholdPercent"] == 100
    assert not written["makeIPTablesUtilChains"]
    assert not written["failSwapOn"]
    assert not written["failCgroupV1"]
    assert not written["registerNode"]
    assert written["oomScoreAdj"] == 0


def test_a_slice_chooses_the_systemd_driver(tmp_path):
    """As the form of the parent names the driver."""
    own = place(tmp_path, "/cri_compare_7.slice")
    own.write(1)
    assert json.loads(own.configuration.read_text(encoding="utf-8"))["cgroupDriver"] == "systemd"


def test_its_pods_are_small_and_those_of_a_comparison(tmp_path):
    """So they are found and removed like all others; nothing is pulled and no token is mounted."""
    write_manifests(tmp_path, 3, "registry/busybox:1")
    pods = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(tmp_path.iterdir())]
    assert [pod["metadata"]["name"] for pod in pods] == ["kubelet-0", "kubelet-1", "kubelet-2"]
    assert {pod["metadata"]["namespace"] for pod in pods} == {"cri-compare"}
    spec = manifest("a", "registry/busybox:1")["spec"]
    assert not spec["automountServiceAccountToken"]
    (container,) = spec["containers"]
    assert (container["image"], container["imagePullPolicy"]) == ("registry/busybox:1", "Never")
    assert container["resources"]["limits"]["memory"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}


def test_a_path_too_long_for_its_sockets_is_refused(tmp_path):
    """The kubelet would say only that an argument is invalid."""
    with pytest.raises(KubeletError, match=r"would have \d+ bytes, and 107 are allowed; set TMPDIR to a shorter one"):
        place(tmp_path / ("x" * 80)).write(1)
