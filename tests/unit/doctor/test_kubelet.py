"""The kubelet's settings are read from its flags and files; a form that leaves a doubt is unknown."""

from __future__ import annotations

import pytest

from cri_shim.doctor.checks.kubelet import judge_kubelet
from cri_shim.doctor.facts.kubelet_settings import KubeletSettings, Setting, read_kubelet, settings_in
from cri_shim.doctor.facts.place import Place
from tests.unit.doctor.node_tree import config_of, findings, plant, reported

OURS = "unix:///run/cri-shim/cri-shim.sock"
SYSTEMD = "[containerd.runtimes.runc.options]\nSystemdCgroup = true\n"
FILE = "var/lib/kubelet/config.yaml"


def text(driver="cgroupfs", endpoint=OURS):
    return f"apiVersion: kubelet.config.k8s.io/v1beta1\ncgroupDriver: {driver}\ncontainerRuntimeEndpoint: {endpoint}\n"


def judged(place, config=""):
    return list(judge_kubelet(read_kubelet(place), config_of(config), place))


def command_line(*words):
    return "\0".join(("/usr/bin/kubelet", *words, ""))


@pytest.fixture
def node(tmp_path):
    return plant(tmp_path, {"proc/version": "", FILE: text()})


def test_a_node_without_a_kubelet_is_fine(tmp_path):
    assert reported(judged(plant(tmp_path, {"proc/version": ""}))) == {}


def test_a_kubelet_that_agrees_is_fine(node):
    assert reported(judged(node)) == {}
    plant(node.root, {FILE: text("systemd")})
    assert reported(judged(node, SYSTEMD)) == {}


@pytest.mark.parametrize(("driver", "config"), [("systemd", ""), ("cgroupfs", SYSTEMD)])
def test_another_cgroup_driver(node, driver, config):
    plant(node.root, {FILE: text(driver)})
    outcomes = judged(node, config)
    assert reported(outcomes) == {"cgroup-driver-mismatch": "warning"}
    assert f"SystemdCgroup = {'true' if driver == 'systemd' else 'false'}" in findings(outcomes)[0].remedy


def test_no_cgroup_driver_in_the_file(node):
    """The kubelet's default is cgroupfs; whether it asks us depends on its version, which is not known here."""
    plant(node.root, {FILE: f"containerRuntimeEndpoint: {OURS}\n"})
    assert reported(judged(node)) == {}
    assert reported(judged(node, SYSTEMD)) == {"cgroup-driver-mismatch": "unknown"}


def test_another_endpoint(node):
    plant(node.root, {FILE: text(endpoint='"unix:///run/containerd/containerd.sock"  # the default')})
    outcomes = judged(node)
    assert reported(outcomes) == {"kubelet-uses-another-runtime": "warning"}
    assert "unix:///run/containerd/containerd.sock (/var/lib/kubelet/config.yaml)" in findings(outcomes)[0].what


def test_var_run_is_run(node):
    plant(node.root, {FILE: text(endpoint="'unix:///var/run/cri-shim/cri-shim.sock'")})
    assert reported(judged(node)) == {}


@pytest.mark.parametrize(
    ("document", "driver"),
    [
        ("\ufeffcgroupDriver: systemd\n", "systemd"),
        ('\ufeff{"cgroupDriver": "systemd"}', "systemd"),
        ("# of kubeadm\n\n--- # the only one\ncgroupDriver: systemd\n", "systemd"),
        ("cgroupDriver: systemd\r\n# an end\r\n", "systemd"),
        ("cgroupDriver: null\n", ""),
        ("cgroupDriver: ~ # unset\n", ""),
        ("cgroupDriver: # unset\nkind: x\n", ""),
    ],
)
def test_forms_that_leave_no_doubt(document, driver):
    assert settings_in(document, "f").get("cgroupDriver", Setting()) == Setting(driver, "f" if driver else "")


@pytest.mark.parametrize(
    "document",
    [
        "  kind: x\n  cgroupDriver: systemd\n",
        "cgroupDriver:\n  systemd\n",
        "cgroupDriver: systemd\n  and more\n",
        "--- {cgroupDriver: systemd}\n",
        "kind: x\n--- # another\ncgroupDriver: systemd\n",
        "cgroupDriver: systemd#1\n",
        '"cgroup\\u0044river": systemd\n',
    ],
)
def test_forms_that_leave_a_doubt(document):
    assert settings_in(document, "f")["cgroupDriver"].unknown_reason


def test_flags_of_the_running_kubelet_win(node):
    elsewhere = "unix:///run/containerd/containerd.sock"
    words = ("--config=/etc/k.yaml", "--container-runtime-endpoint", elsewhere, "--cgroup-driver=systemd")
    plant(node.root, {"proc/7/cmdline": command_line(*words), "etc/k.yaml": text()})
    settings = read_kubelet(node)
    assert (settings.pid, settings.endpoint.value, settings.cgroup_driver.value) == (7, elsewhere, "systemd")
    assert reported(judged(node)) == {"kubelet-uses-another-runtime": "warning", "cgroup-driver-mismatch": "warning"}


def test_drop_ins_win_over_the_file(node):
    directory = "etc/kubernetes/kubelet.conf.d"
    plant(node.root, {
        "proc/7/cmdline": command_line(f"--config=/{FILE}", f"--config-dir=/{directory}"),
        FILE: text(endpoint="unix:///elsewhere"),
        f"{directory}/10-cri-shim.conf": f"containerRuntimeEndpoint: {OURS}\n",
    })  # fmt: skip
    assert reported(judged(node)) == {}


def test_flags_that_kubeadm_has_written(node):
    flags = 'KUBELET_KUBEADM_ARGS="--container-runtime-endpoint=unix:///elsewhere --pod-infra-container-image=x"\n'
    plant(node.root, {"var/lib/kubelet/kubeadm-flags.env": flags})
    assert read_kubelet(node).endpoint == Setting(
        "unix:///elsewhere",
        "the kubelet's flag --container-runtime-endpoint in /var/lib/kubelet/kubeadm-flags.env",
    )


def test_flags_below_a_comment(node):
    plant(
        node.root,
        {"var/lib/kubelet/kubeadm-flags.env": "# kubeadm\nA=b\nKUBELET_KUBEADM_ARGS=--cgroup-driver=systemd\n"},
    )
    assert read_kubelet(node).cgroup_driver.value == "systemd"


@pytest.mark.parametrize("make", [lambda file: file.mkdir(), lambda file: file.write_text('KUBELET_KUBEADM_ARGS="--a')])
def test_flags_that_cannot_be_read_make_the_settings_unknown(node, make):
    """They would win over the files, so what the files say proves nothing."""
    plant(node.root, {FILE: text(endpoint=OURS)})
    make(node.root / "var/lib/kubelet/kubeadm-flags.env")
    kubelet = read_kubelet(node)
    assert kubelet.present
    for setting in (kubelet.cgroup_driver, kubelet.endpoint, kubelet.containerd):
        assert "/var/lib/kubelet/kubeadm-flags.env cannot be" in setting.unknown_reason


def test_drop_ins_that_cannot_be_read_make_the_settings_unknown(node):
    plant(
        node.root,
        {"proc/7/cmdline": command_line(f"--config=/{FILE}", "--config-dir=/etc/x"), FILE: text(endpoint=OURS)},
    )
    plant(node.root, {"etc/x": "a file"})
    assert read_kubelet(node).endpoint.unknown_reason.startswith("/etc/x cannot be read")


@pytest.mark.parametrize(
    "document",
    [
        "cgroupDriver: &driver systemd\n",
        "cgroupDriver: [systemd]\n",
        "cgroupDriver: |\n  systemd\n",
        "cgroupDriver: systemd\ncgroupDriver: cgroupfs\n",
        "a: b\n---\ncgroupDriver: systemd\n",
        "%YAML 1.2\n---\ncgroupDriver: systemd\n",
        "<<: *default\n",
        '{"cgroupDriver": 7}',
        '{"cgroupDriver": ',
    ],
)
def test_what_leaves_a_doubt_is_unknown(document):
    assert settings_in(document, "f")["cgroupDriver"].unknown_reason


@pytest.mark.parametrize(
    ("document", "value"),
    [
        ("---\ncgroupDriver: systemd\n", "systemd"),
        ("cgroupDriver:   'systemd'   # by kubeadm\n", "systemd"),
        ('"cgroupDriver": "systemd"\n', "systemd"),
        ('{"cgroupDriver": "systemd"}', "systemd"),
        ("other:\n  cgroupDriver: systemd\n", None),
        ("# cgroupDriver: systemd\n", None),
        ('cgroupDriver: ""\n', None),
        ("cgroupDriver:\n", None),
        ('{"a": {"cgroupDriver": "systemd"}}', None),
    ],
)
def test_plain_forms_are_read(document, value):
    setting = settings_in(document, "f").get("cgroupDriver")
    assert (None if setting is None else setting.value) == value


def test_an_unknown_setting_is_unknown_and_not_fine(node):
    plant(node.root, {FILE: "cgroupDriver: &x systemd\ncontainerRuntimeEndpoint: *y\n"})
    outcomes = judged(node)
    assert reported(outcomes) == {"kubelet-uses-another-runtime": "unknown", "cgroup-driver-mismatch": "unknown"}


def test_a_file_that_cannot_be_read_is_unknown(node):
    node.at(FILE).unlink()
    node.at(FILE).symlink_to("config.yaml")
    assert reported(judged(node))["cgroup-driver-mismatch"] == "unknown"


def test_a_socket_named_like_that_of_crio():
    config = config_of('socket_path = "/var/run/crio/crio.sock"\n')
    outcomes = judge_kubelet(KubeletSettings(present=False), config, Place())
    assert reported(outcomes) == {"socket-named-like-crio": "error"}


def test_the_containerd_of_cadvisor(node):
    plant(node.root, {"proc/7/cmdline": command_line("--config", f"/{FILE}")})
    assert reported(judged(node)) == {}
    elsewhere = '[containerd]\naddress = "/run/c2.sock"\n'
    assert reported(judged(node, elsewhere)) == {"kubelet-watches-another-containerd": "note"}
    namespace = '[containerd]\nnamespace = "mine"\n'
    assert reported(judged(node, namespace)) == {"kubelet-watches-another-containerd": "note"}
    plant(node.root, {"proc/7/cmdline": command_line(f"--config=/{FILE}", "--containerd=/run/c2.sock")})
    assert reported(judged(node, elsewhere)) == {}
