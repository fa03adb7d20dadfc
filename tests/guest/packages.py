"""The Debian package of the checkout, and one of a later version, to carry into the guest."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from lab.packaging.another_version import another_version
from tests.guest.commands import run

CHECKOUT: Final = Path(__file__).resolve().parents[2]
NEWER: Final = "99.0.0"


def built_packages(cache: Path) -> list[Path]:
    """Build both, the later one last; raises :class:`~tests.guest.errors.GuestError` with what make said."""
    target = cache / "packages"
    for old in target.glob("*.deb"):
        old.unlink()
    with TemporaryDirectory(prefix="packages-building-", dir=cache) as name:
        run("make", "-C", str(CHECKOUT), "deb", f"DEB={name}", f"WHEELS={target / 'wheels'}")
        (package,) = Path(name).glob("*.deb")
        another_version(package, NEWER, Path(name))
        target.mkdir(exist_ok=True)
        return sorted(
            (path.rename(target / path.name) for path in Path(name).glob("*.deb")), key=lambda path: NEWER in path.name
        )
