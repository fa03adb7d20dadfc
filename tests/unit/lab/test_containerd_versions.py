"""Which containerd is taken from what Debian offers, and its configuration in the form of its version."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.containerd_config import IMAGES, RUNTIME, SERVER, configuration
from lab.debian.packages import NotAvailableError, nearest, numbers

CRI = {
    "sandbox_image": "pause:1",
    "stream_server_port": "0",
    "max_concurrent_downloads": 5,
    "restrict_oom_score_adj": True,
    "registry": {"config_path": "/hosts"},
    "cni": {"bin_dir": "/cni", "conf_dir": "/conf"},
    "containerd": {"snapshotter": "overlayfs", "runtimes": {"runc": {}}},
}


@pytest.mark.parametrize(
    ("offered", "wanted", "chosen"),
    [
        (["1.7.24~ds1-6+deb13u1", "1.6.20~ds1-1"], (1, 7, 24), "1.7.24~ds1-6+deb13u1"),
        (["1.7.24~ds1-6+deb13u1", "1.7.24~ds1-6"], (1, 7, 24), "1.7.24~ds1-6+deb13u1"),
        (["2.1.9+ds1-5", "1.7.27~ds1-1", "1.7.23~ds1-1"], (1, 7, 24), "1.7.23~ds1-1"),
        (["2.2.3+ds1-1", "1.7.24~ds1-6"], (2, 1, 9), "2.2.3+ds1-1"),
        (["2.2.0+ds1-1", "2.1.12+ds1-1"], (2, 1, 9), "2.1.12+ds1-1"),
    ],
)
def test_the_nearest_of_the_same_major_number_is_taken(offered, wanted, chosen):
    """The version wanted if it is there, else the nearest minor and patch number; never another major number."""
    assert nearest("containerd", offered, wanted) == chosen


def test_another_major_number_is_not_taken():
    """When the archive has only another major number, the error names what it has."""
    with pytest.raises(NotAvailableError, match=r"no containerd 2\.x among \['1\.7\.24~ds1-6'\]"):
        nearest("containerd", ["1.7.24~ds1-6"], (2, 1, 9))


def test_numbers_of_debians_and_of_containerds_versions():
    """Both ways of writing a version give the same three numbers."""
    assert numbers("2.1.9+ds1-5") == numbers("v2.1.9+unknown") == (2, 1, 9)
    with pytest.raises(NotAvailableError):
        numbers("unknown")


def test_one_section_before_2():
    """1.6 and 1.7 get the plugin's section as it is, in a file of version 2."""
    made = configuration((1, 7, 24), Path("/d"), "/d/c.sock", CRI)
    assert (made["version"], made["plugins"][SERVER]) == (2, CRI)


def test_three_sections_from_2_on():
    """2.x gets each key in the section that has it now, under its new name, in a file of version 3."""
    made = configuration((2, 1, 9), Path("/d"), "/d/c.sock", CRI)
    assert made["version"] == 3
    assert made["plugins"][SERVER] == {"stream_server_port": "0"}
    assert made["plugins"][IMAGES] == {
        "pinned_images": {"sandbox": "pause:1"},
        "max_concurrent_downloads": 5,
        "registry": {"config_path": "/hosts"},
        "snapshotter": "overlayfs",
    }
    assert made["plugins"][RUNTIME] == {
        "restrict_oom_score_adj": True,
        "cni": {"bin_dirs": ["/cni"], "conf_dir": "/conf"},
        "containerd": {"runtimes": {"runc": {}}},
    }


@pytest.mark.parametrize("version", [(1, 6, 20), (2, 1, 9)])
def test_without_the_plugin_nothing_serves_the_cri(version):
    """Where the daemon serves the CRI, containerd's own server of it is off."""
    made = configuration(version, Path("/d"), "/d/c.sock", None)
    assert SERVER in made["disabled_plugins"]
    assert not {SERVER, IMAGES, RUNTIME} & set(made["plugins"])
