"""A flag of the kubelet has precedence over its configuration, so the set-up says where one names another endpoint."""

from __future__ import annotations

import pytest

from cri_shim.doctor.facts.kubelet_flags import Flag, flags_of_files
from cri_shim.doctor.facts.kubelet_settings import read_kubelet
from cri_shim.doctor.facts.place import Place
from cri_shim.setup.node import read_node
from cri_shim.setup.plan import Options, make_plan

FLAGS = "var/lib/kubelet/kubeadm-flags.env"
OTHER = "--container-runtime-endpoint=unix:///var/run/containerd/containerd.sock"


def notes(root):
    return " ".join(make_plan(read_node(root, program=""), Options(kubelet=True), {}, ()).notes)


@pytest.fixture
def root(tmp_path):
    for directory in ("var/lib/kubelet", "etc/systemd/system/kubelet.service.d", "etc/default"):
        (tmp_path / directory).mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (FLAGS, f'KUBELET_KUBEADM_ARGS="{OTHER} --pod-infra-container-image=p"\n'),
        ("etc/default/kubelet", f"KUBELET_EXTRA_ARGS={OTHER.replace('=', ' ')}\n"),
        ("etc/systemd/system/kubelet.service.d/20-x.conf", f"[Service]\nExecStart=\nExecStart=/k {OTHER}\n"),
    ],
)
def test_a_flag_with_another_endpoint_is_noted(root, path, text):
    (root / path).write_text(text)
    assert f"/{path} has --container-runtime-endpoint" in notes(root)


@pytest.mark.parametrize("text", [OTHER.partition("=")[0] + "=unix:///run/cri-shim/cri-shim.sock", f"# {OTHER}", ""])
def test_our_own_endpoint_and_a_comment_are_not(root, text):
    (root / FLAGS).write_text(f"{text}\n")
    assert "--container-runtime-endpoint" not in notes(root)


KUBEADM = """
[Service]
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
"""


def test_the_variables_of_a_unit_are_replaced(root):
    """Those of kubeadm's drop-in; the file that gives the flag is named, and a file that no unit names says nothing."""
    (root / "etc/systemd/system/kubelet.service.d/10-kubeadm.conf").write_text(KUBEADM)
    (root / "etc/sysconfig").mkdir()
    (root / "etc/sysconfig/kubelet").write_text(f"KUBELET_EXTRA_ARGS={OTHER}\n")
    assert "--container-runtime-endpoint" not in notes(root)
    (root / FLAGS).write_text(f'KUBELET_KUBEADM_ARGS="{OTHER}"\n')
    assert f"/{FLAGS} has --container-runtime-endpoint" in notes(root)
    (root / "etc/default/kubelet").write_text(
        "KUBELET_EXTRA_ARGS=--container-runtime-endpoint=/run/cri-shim/cri-shim.sock"
    )
    assert "--container-runtime-endpoint" not in notes(root)


def test_a_directory_of_configurations_is_seen_in_a_variable(root):
    """Then the kubelet reads our file, and nothing has to be said."""
    assert "only when it runs with" in notes(root)
    (root / "etc/default/kubelet").write_text("KUBELET_EXTRA_ARGS=--config-dir=/etc/kubernetes/kubelet.conf.d\n")
    assert "only when it runs with" not in notes(root)


def test_set_up_and_doctor_read_the_same_flags(root):
    """With quotes, variables in words, escapes, and the value as a word of its own."""
    unit = """
[Service]
Environment=DRIVER=systemd 'REST=--config-dir /x'
ExecStart=/k --cgroup-driver=${DRIVER} $REST \\
  --container-runtime-endpoint \\x2frun\\x2fa.sock $UNSET ; /x --containerd=/y
"""
    (root / "etc/systemd/system/kubelet.service").write_text(unit)
    flags, reason = flags_of_files(root)
    assert reason == ""
    path = "/etc/systemd/system/kubelet.service"
    assert flags == {
        "cgroup-driver": Flag("systemd", path),
        "config-dir": Flag("/x", path),
        "container-runtime-endpoint": Flag("/run/a.sock", path),
    }
    (root / "proc").mkdir()
    assert read_kubelet(Place(root)).cgroup_driver.value == "systemd"
    assert f"{path} has --container-runtime-endpoint" in notes(root)


def test_flags_that_cannot_be_read_are_said_to_be_unknown(root):
    """A flag in there would win."""
    (root / FLAGS).write_text("KUBELET_KUBEADM_ARGS='--a")
    assert f"the kubelet's flags are unknown (/{FLAGS} cannot be understood" in notes(root)
