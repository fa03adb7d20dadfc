"""A flag of the kubelet has precedence over its configuration, so the set-up says where one names another endpoint."""

from __future__ import annotations

import pytest

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
