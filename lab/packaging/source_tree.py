"""Lay out a directory in which dpkg-buildpackage makes the package: debian/, and the files that it installs."""

from __future__ import annotations

import os
import platform
import shutil
import socket
from datetime import UTC, datetime
from email.utils import format_datetime
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cri_shim.cli import make_parser
from cri_shim.completion.parser_tree import read_parser
from cri_shim.completion.scripts import script
from cri_shim.setup.sample_network import sample_network
from lab.packaging.config_page import config_page
from lab.packaging.environment import PLACE, make_environment, python_dependency
from lab.packaging.manual import CONFIG_PAGE, manual

if TYPE_CHECKING:
    from collections.abc import Mapping

CHECKOUT: Final = Path(__file__).resolve().parents[2]
_UNIT: Final = "cri-shim.service"
_COMPLETIONS: Final = {
    "bash": "usr/share/bash-completion/completions/cri-shim",
    "zsh": "usr/share/zsh/vendor-completions/_cri-shim",
    "fish": "usr/share/fish/vendor_completions.d/cri-shim.fish",
}
_EXAMPLES: Final = ("systemd", "grafana", "prometheus")
_EXAMPLE_SUBNET: Final = IPv4Network("10.200.0.0/24")


def debian_version(version: str, release: dict[str, str]) -> str:
    """Return the version of the package: one of a pre-release sorts before the release, and each Debian has its own.

    The virtual environment is bound to the Python of the Debian on which it is built.
    """
    for mark in ("a", "b", "rc", ".dev"):
        head, separator, number = version.partition(mark)
        if separator and number.isdigit():
            version = f"{head}~{mark.lstrip('.')}{number}"
    system = {"debian": "deb"}.get(release.get("ID", ""), release.get("ID", ""))
    return f"{version}-1+{system}{release.get('VERSION_ID', '')}"


def maintainer(environ: Mapping[str, str]) -> str:
    """Return who answers for the package: the one who builds it, as Debian's tools are given it (debchange(1)).

    DEBEMAIL may have the name in it. Without the variables it is root of the machine, whose mail a node delivers.
    """
    mail = environ.get("DEBEMAIL") or environ.get("EMAIL") or f"root@{socket.getfqdn()}"
    if "<" in mail:
        return mail
    return f"{environ.get('DEBFULLNAME') or environ.get('NAME') or 'Administrator'} <{mail}>"


def lay_out(directory: Path, wheels: Path, version: str, date: datetime) -> None:
    """Write everything that the build reads; ``version`` is that of the package."""
    shutil.copytree(CHECKOUT / "deploy/debian", directory / "debian")
    shutil.copy(CHECKOUT / "deploy/systemd" / _UNIT, directory / "debian/cri-shim.service")
    answerable = maintainer(os.environ)
    control = directory / "debian/control"
    control.write_text(control.read_text().replace("@MAINTAINER@", answerable))
    (directory / "debian/changelog").write_text(_changelog(version, date, answerable))
    (directory / "debian/python.substvars").write_text(f"python:Depends={python_dependency()}\n")
    shutil.copy(CHECKOUT / "CHANGELOG.md", directory)
    _write_examples(directory / "examples")
    _write_pages(directory / "man", version, f"{date:%Y-%m-%d}")
    root = directory / "root"
    for shell, name in _COMPLETIONS.items():
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(script(shell, make_parser()))
    make_environment(root / PLACE.lstrip("/"), wheels)


def this_release() -> dict[str, str]:
    """Return what /etc/os-release says of this machine."""
    return platform.freedesktop_os_release()


def _changelog(version: str, date: datetime, answerable: str) -> str:
    release = this_release().get("VERSION_CODENAME", "unstable")
    return (
        f"cri-shim ({version}) {release}; urgency=medium\n\n"
        "  * What changed is in /usr/share/doc/cri-shim/changelog.gz.\n\n"
        f" -- {answerable}  {format_datetime(date.astimezone(UTC))}\n"
    )


def _write_examples(examples: Path) -> None:
    for name in _EXAMPLES:
        shutil.copytree(CHECKOUT / "deploy" / name, examples / name, ignore=shutil.ignore_patterns(_UNIT))
    (examples / "cni").mkdir()
    (examples / "cni/10-cri-shim.conflist").write_text(sample_network(_EXAMPLE_SUBNET))


def _write_pages(directory: Path, version: str, date: str) -> None:
    directory.mkdir()
    pages = {**manual(read_parser(make_parser()), version, date), CONFIG_PAGE: config_page(version, date)}
    for name, text in pages.items():
        (directory / name).write_text(text)
