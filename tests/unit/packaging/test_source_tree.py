"""The version of the package, and the scripts that dpkg runs."""

from __future__ import annotations

import itertools
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lab.packaging import environment
from lab.packaging.source_tree import debian_version, maintainer

DEBIAN = Path(__file__).parents[3] / "deploy/debian"


@pytest.mark.parametrize(
    ("version", "release", "expected"),
    [
        ("0.2.0", {"ID": "debian", "VERSION_ID": "12"}, "0.2.0-1+deb12"),
        ("0.3.0rc1", {"ID": "debian", "VERSION_ID": "13"}, "0.3.0~rc1-1+deb13"),
        ("0.3.0.dev2", {"ID": "ubuntu", "VERSION_ID": "24.04"}, "0.3.0~dev2-1+ubuntu24.04"),
        ("0.3.0", {"ID": "debian"}, "0.3.0-1+deb"),
    ],
)
def test_the_version_of_the_package(version, release, expected):
    """It names the Debian whose Python the package is for."""
    assert debian_version(version, release) == expected


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"DEBEMAIL": "a@b.org", "DEBFULLNAME": "A B", "EMAIL": "x@y"}, "A B <a@b.org>"),
        ({"DEBEMAIL": "A B <a@b.org>", "DEBFULLNAME": "C"}, "A B <a@b.org>"),
        ({"EMAIL": "a@b.org", "NAME": "A B"}, "A B <a@b.org>"),
        ({}, "Administrator <root@node.lan>"),
    ],
)
def test_the_one_who_builds_the_package_answers_for_it(monkeypatch, environ, expected):
    """Under the name and the address that Debian's own tools take; no address is made up."""
    monkeypatch.setattr(socket, "getfqdn", lambda: "node.lan")
    assert maintainer(environ) == expected
    assert "\nMaintainer: @MAINTAINER@\n" in (DEBIAN / "control").read_text()


def test_versions_sort_as_they_should():
    """A pre-release comes before its release, and the package of the next Debian after that of this one."""
    if shutil.which("dpkg") is None:
        pytest.skip("there is no dpkg on this machine")
    twelve, thirteen = ({"ID": "debian", "VERSION_ID": number} for number in ("12", "13"))
    order = [
        debian_version("0.3.0.dev1", thirteen),
        debian_version("0.3.0rc1", thirteen),
        debian_version("0.3.0", twelve),
        debian_version("0.3.0", thirteen),
        debian_version("0.3.1", twelve),
    ]
    for earlier, later in itertools.pairwise(order):
        assert subprocess.run(["dpkg", "--compare-versions", earlier, "lt", later], check=False).returncode == 0


def test_another_python_than_debians_is_refused(monkeypatch):
    """Nothing that a package could depend on would provide it."""
    monkeypatch.setattr(sys, "base_prefix", "/opt/python")
    with pytest.raises(environment.NotDebiansPythonError, match="/opt/python"):
        environment.python_dependency()


@pytest.mark.parametrize("name", ["postinst", "postrm"])
def test_a_script_is_one_of_a_plain_shell(name):
    """It ends at the first failure, and debhelper's part is in it."""
    script = DEBIAN / f"cri-shim.{name}"
    text = script.read_text()
    assert text.startswith("#!/bin/sh\nset -e\n")
    assert "\n#DEBHELPER#\n" in text
    subprocess.run(["sh", "-n", str(script)], check=True)


def test_every_override_has_a_reason():
    """A comment stands above each, or above the ones before it."""
    lines = (DEBIAN / "cri-shim.lintian-overrides").read_text().splitlines()
    assert lines[0].startswith("# ")
    assert all(line.startswith(("# ", "cri-shim: ")) for line in lines)
