"""What the guest gets in /opt/packages: the Debian packages, a crictl if there is one, a kubelet if one is given."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from lab.packaging.another_version import another_version
from tests.guest.base import guest_release
from tests.guest.commands import run
from tests.guest.errors import GuestError
from tests.install.fresh_debian import CARRIED
from tests.install.visit import crictl_program

CHECKOUT: Final = Path(__file__).resolve().parents[2]
NEWER: Final = "99.0.0"


def built_packages(cache: Path) -> list[Path]:
    """Build both, the later one after the other; raises :class:`~tests.guest.errors.GuestError` with what make said."""
    target = cache / "packages"
    shutil.rmtree(target, ignore_errors=True)
    with TemporaryDirectory(prefix="packages-building-", dir=cache) as name:
        package = this_version(Path(name))
        another_version(package, NEWER, Path(name))
        target.mkdir()
        built = sorted(Path(name).glob("*.deb"), key=lambda path: NEWER in path.name)
        carried = [path.rename(target / path.name) for path in built]
    crictl = crictl_program()
    return [*carried, Path(shutil.copy(crictl, target / "crictl"))] if crictl else carried


def given_kubelet() -> Path:
    """Return the kubelet that GUEST_KUBELET names; raises :class:`~tests.guest.errors.GuestError` if it names none."""
    program = Path(os.environ.get("GUEST_KUBELET", ""))
    if not program.is_file() or program.name != "kubelet":
        raise GuestError("the suite needs a kubelet, which Debian does not have: GUEST_KUBELET=/path/to/kubelet")
    return program


def this_version(directory: Path) -> Path:
    """Return the package of the checkout, in a directory.

    That of a release other than this machine's is the one that ``make test-install`` has built there.
    """
    release = guest_release()
    if release == platform.freedesktop_os_release().get("VERSION_CODENAME"):
        run("make", "-C", str(CHECKOUT), "deb", f"DEB={directory}", f"WHEELS={directory / 'wheels'}")
        return next(directory.glob("*.deb"))
    for built in (CARRIED / release / "dist").glob("*.deb"):
        return Path(shutil.copy(built, directory))
    raise GuestError(f"there is no package for {release} yet; run `make test-install DEBIAN={release}`")
