"""The systemd units: valid to systemd, and without what would break the daemon."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from cri_shim.config import Config

UNITS = Path(__file__).parents[3] / "deploy/systemd"

# Settings that give a service a mount, network, user or UTS namespace of its own, or that take away a right which the
# daemon or a CNI plugin needs. Mounts made in another namespace are invisible to containerd and its shims.
BREAKING = """
    PrivateMounts MountFlags PrivateTmp PrivateDevices PrivateNetwork PrivateUsers PrivateIPC ProtectSystem ProtectHome
    ProtectKernelTunables ProtectKernelModules ProtectKernelLogs ProtectControlGroups ProtectProc ProcSubset
    ProtectClock ProtectHostname ReadOnlyPaths ReadWritePaths InaccessiblePaths ExecPaths NoExecPaths BindPaths
    BindReadOnlyPaths TemporaryFileSystem RootDirectory RootImage MountImages ExtensionImages LogNamespace
    RestrictNamespaces DynamicUser User Group CapabilityBoundingSet AmbientCapabilities SystemCallFilter
    NoNewPrivileges RestrictAddressFamilies RestrictSUIDSGID MemoryDenyWriteExecute IPAddressDeny DevicePolicy
    DeviceAllow NetworkNamespacePath JoinsNamespaceOf
""".split()


def settings(path):
    """(section, key, value) of each line of a unit file."""
    section, pairs = "", []
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            pairs.append((section, key, value))
    return pairs


def values(key):
    """The values that the daemon's unit gives a key."""
    return [value for _, name, value in settings(UNITS / "cri-shim.service") if name == key]


@pytest.fixture
def unit_directory(tmp_path):
    """The units as installed, beside neighbours of the same names, with commands that exist on any machine."""
    shutil.copytree(UNITS, tmp_path, dirs_exist_ok=True)
    service = tmp_path / "cri-shim.service"
    text = service.read_text()
    assert "ExecStart=/usr/bin/cri-shim serve" in text
    service.write_text(text.replace("/usr/bin/cri-shim", "/bin/true"))
    drop_in = tmp_path / "containerd.service.d/10-cri-shim.conf"
    drop_in.write_text(drop_in.read_text().replace("/usr/bin/containerd", "/bin/true"))
    (tmp_path / "containerd.service").write_text("[Service]\nType=notify\nExecStart=/bin/false\n")
    (tmp_path / "kubelet.service").write_text("[Service]\nExecStart=/bin/false\n")
    return tmp_path


def verify(directory, unit):
    """What systemd has to say about a unit; it also warns on standard error, with code 0."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(directory / unit)],
        env=os.environ | {"SYSTEMD_UNIT_PATH": f"{directory}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("unit", ["cri-shim.service", "containerd.service", "kubelet.service"])
def test_systemd_finds_nothing_wrong(unit_directory, unit):
    """Each unit, with its drop-ins, loads without an error or a warning."""
    assert verify(unit_directory, unit) == (0, "")


def test_systemd_would_find_a_mistake(unit_directory):
    """The check above is able to fail: a misspelt key in a drop-in is seen."""
    drop_in = unit_directory / "containerd.service.d/10-cri-shim.conf"
    drop_in.write_text(drop_in.read_text() + "Restrat=always\n")
    assert "Unknown key 'Restrat'" in verify(unit_directory, "containerd.service")[1]


def test_the_drop_in_replaces_containerds_command():
    """containerd gets one command, the one with our file; two would be refused by a Type=notify unit."""
    commands = [
        value for _, key, value in settings(UNITS / "containerd.service.d/10-cri-shim.conf") if key == "ExecStart"
    ]
    assert commands == ["", "/usr/bin/containerd --config /etc/cri-shim/containerd.toml"]


@pytest.mark.parametrize(
    "file", sorted(UNITS.rglob("*.service")) + sorted(UNITS.glob("*.service.d/*")), ids=lambda f: f.name
)
def test_nothing_cuts_the_daemon_off_from_the_host(file):
    """No setting of the list that breaks mounts, namespaces or CNI plugins is used."""
    assert [key for _, key, _ in settings(file) if key in BREAKING] == []


def test_containerd_may_come_and_go():
    """The unit is ordered after containerd, and shares its fate in no way."""
    assert "containerd.service" in values("Wants")[0].split()
    assert "containerd.service" in values("After")[0].split()
    assert "kubelet.service" in values("Before")[0].split()
    for key in ("Requires", "Requisite", "BindsTo", "PartOf", "Upholds"):
        assert values(key) == []


def test_running_pods_outlive_a_restart():
    """systemd keeps the daemon's files and never gives up starting it."""
    assert values("RuntimeDirectoryPreserve") == ["yes"]
    assert values("Restart") == ["always"]
    assert ("Unit", "StartLimitIntervalSec", "0") in settings(UNITS / "cri-shim.service")


def test_readiness_and_life_are_reported_by_the_daemon_alone():
    """Type=notify with a watchdog, and no word from children."""
    assert (values("Type"), values("NotifyAccess"), values("WatchdogSec")) == (["notify"], ["main"], ["60"])


def test_what_python_compiles_has_a_directory_of_its_own():
    """Without docstrings it would be beside what other programs use, or be compiled at every start."""
    environment = dict(each.split("=", 1) for each in values("Environment"))
    assert environment["PYTHONOPTIMIZE"] == "2"
    assert environment["PYTHONPYCACHEPREFIX"] == f"/var/cache/{values('CacheDirectory')[0]}"


def test_stopping_leaves_requests_their_grace():
    """systemd waits longer than the daemon does."""
    assert float(values("TimeoutStopSec")[0]) > Config().shutdown_grace


def test_directories_are_those_of_the_default_configuration():
    """What systemd makes is what the daemon uses without a configuration."""
    config = Config()
    assert f"/run/{values('RuntimeDirectory')[0]}" == config.state
    assert f"/var/lib/{values('StateDirectory')[0]}" == config.root
    assert config.socket_path.startswith(config.state + "/")


def test_everything_points_at_the_same_socket():
    """The files of kubelet and crictl name the daemon's default socket, in the form that each expects."""
    for name in ("crictl.yaml", "kubelet.conf.d/10-cri-shim.conf"):
        endpoints = re.findall(r"^\S*endpoint: (\S+)$", (UNITS / name).read_text(), re.MULTILINE | re.IGNORECASE)
        assert endpoints == [f"unix://{Config().socket_path}"] * 2
