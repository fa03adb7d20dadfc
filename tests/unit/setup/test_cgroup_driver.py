"""The daemon's configuration has the cgroup driver that the node's kubelet has."""

from __future__ import annotations

import pytest

from cri_shim.config import parse
from cri_shim.doctor.facts.kubelet_settings import KubeletSettings, Setting
from cri_shim.setup import targets
from cri_shim.setup.cgroup_driver import choose_driver
from cri_shim.setup.node import read_node
from cri_shim.setup.plan import Options, WriteFile, make_plan

NO_KUBELET = KubeletSettings(False)


def kubelet(value="", unknown_reason=""):
    return KubeletSettings(True, 0, Setting(value, "/f" if value else "", unknown_reason))


@pytest.mark.parametrize(
    ("settings", "systemd", "unified", "expected"),
    [
        (kubelet("systemd"), False, False, True),
        (kubelet("cgroupfs"), True, True, False),
        (kubelet(), True, True, False),  # its default, unless it asks the runtime
        (kubelet(unknown_reason="why"), True, True, False),
        (NO_KUBELET, True, True, True),
        (NO_KUBELET, True, False, False),
        (NO_KUBELET, False, True, False),
    ],
)
def test_the_choice(settings, systemd, unified, expected):
    """The kubelet decides; without one, systemd makes the cgroups where it manages the one hierarchy."""
    assert choose_driver(settings, systemd=systemd, unified=unified).systemd is expected


def planned(root):
    made = make_plan(read_node(root, program=""), Options(), {}, ())
    (own,) = [one for one in made.changes if isinstance(one, WriteFile) and one.path == targets.OWN_CONFIG]
    return own, " ".join(made.notes)


def options_of(own):
    return parse(own.content.decode()).containerd.runtimes["runc"].options


def test_a_kubelet_with_systemd(tmp_path):
    """The file says that this key is not a default, and the plan where it comes from."""
    (tmp_path / "var/lib/kubelet").mkdir(parents=True)
    (tmp_path / "var/lib/kubelet/config.yaml").write_text("cgroupDriver: systemd\n")
    own, _ = planned(tmp_path)
    assert options_of(own).systemd_cgroup
    assert "/var/lib/kubelet/config.yaml" in own.what
    assert b"\n# Not a default: SystemdCgroup" in own.content


def test_a_kubelet_whose_settings_are_unknown(tmp_path):
    """The default stays, and a note says what to look at."""
    (tmp_path / "var/lib/kubelet").mkdir(parents=True)
    (tmp_path / "var/lib/kubelet/config.yaml").write_text("{cgroupDriver: systemd\n")
    own, notes = planned(tmp_path)
    assert not options_of(own).systemd_cgroup
    assert "cgroup driver is unknown (/var/lib/kubelet/config.yaml" in notes
    assert "set SystemdCgroup in /etc/cri-shim/config.toml" in notes


def test_no_kubelet(tmp_path):
    """The file of an image that is being built has the defaults."""
    own, notes = planned(tmp_path)
    assert not options_of(own).systemd_cgroup
    assert b"Not a default" not in own.content
    assert "driver" not in notes
