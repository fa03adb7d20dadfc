"""The default AppArmor profile and who takes it."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.oci.node_facts import read_apparmor_files
from cri_shim.oci.security.apparmor import takes_default
from cri_shim.oci.security.apparmor_default import AppArmorFiles, default_profile

NO_FILES = AppArmorFiles()
ALL_FILES = AppArmorFiles(abi=True, tunables=True, base=True, daemon_profile="bridge")
PROFILE = cri.SecurityProfile


@pytest.mark.parametrize("files", [NO_FILES, ALL_FILES])
def test_what_it_says(files):
    """Mounting and kernel knobs are denied, signals of the runtime and the daemon arrive, containers see their own."""
    lines = [line.strip() for line in default_profile("name", files).splitlines()]
    assert "profile name flags=(attach_disconnected,mediate_deleted) {" in lines
    for line in ("deny mount,", "deny @{PROC}/kcore rwklx,", "deny /sys/firmware/** rwklx,", "capability,", "file,"):
        assert line in lines
    for peer in {"unconfined", "runc", "crun", files.daemon_profile}:
        assert lines.count(f"signal (receive) peer={peer},") == 1
    assert "signal (send,receive) peer=name," in lines
    assert ("#include <abstractions/base>" in lines) is files.base
    assert ("@{PROC}=/proc/" in lines) is not files.tunables


def test_what_is_there_to_include(tmp_path):
    """The distribution's files are used where they are, and the daemon's own profile is known by its name."""
    assert read_apparmor_files(tmp_path) == NO_FILES
    for file in ("abi/3.0", "tunables/global", "abstractions/base"):
        path = tmp_path / "etc/apparmor.d" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    current = tmp_path / "proc/self/attr/current"
    current.parent.mkdir(parents=True)
    current.write_text("bridge (enforce)\n")
    assert read_apparmor_files(tmp_path) == ALL_FILES
    current.write_text("unconfined\n")
    assert read_apparmor_files(tmp_path).daemon_profile == "unconfined"


@pytest.mark.parametrize("files", [NO_FILES, read_apparmor_files()])
def test_the_parser_takes_it(files):
    """Where apparmor_parser is installed it compiles the profile, with the distribution's files and without."""
    parser = shutil.which("apparmor_parser", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if parser is None:
        pytest.skip("apparmor_parser is not installed")
    text = default_profile("name", files)
    done = subprocess.run([parser, "-Q", "-K"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_who_takes_it():
    """Containers that ask for it or for nothing, unless they are privileged; not those that ask for another."""
    context = cri.LinuxContainerSecurityContext
    default = PROFILE(profile_type=PROFILE.RuntimeDefault)
    other = PROFILE(profile_type=PROFILE.Localhost, localhost_ref="mine")
    assert takes_default(context())
    assert takes_default(context(apparmor=default))
    assert takes_default(context(apparmor_profile="runtime/default"))
    assert not takes_default(context(privileged=True))
    assert not takes_default(context(apparmor=other))
    assert not takes_default(context(apparmor_profile="unconfined"))
    assert not takes_default(context(apparmor_profile="localhost/mine"))
