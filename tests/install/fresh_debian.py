"""The files of a Debian that has nothing yet, as mmdebstrap makes them: made once, copied for every node."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.guest.base import apt_settings, apt_sources, recipe
from tests.guest.commands import run

CHECKOUT: Final = Path(__file__).resolve().parents[2]
CACHE: Final = CHECKOUT / ".cache/install"
CARRIED: Final = CACHE / "carried"
"""What visits have left, below the name of the release."""
CERTIFICATES: Final = "/etc/ssl/certs/ca-certificates.crt"
RELEASES: Final = ("bookworm", "trixie")


def fresh_tree(release: str) -> Path:
    """Return the tree of a release; raises :class:`~tests.guest.errors.GuestError` if it cannot be had.

    Its sources and the settings of apt are those of this machine, and so are the certificates that its pip trusts.
    """
    sources, settings = apt_sources(release), apt_settings()
    tree = CACHE / f"{release}-{recipe(sources, settings)}"
    if not tree.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        for old in CACHE.glob(f"{release}-*"):
            shutil.rmtree(old)
        with TemporaryDirectory(prefix="building-", dir=CACHE) as name:
            made, apt = Path(name, "tree"), Path(name, "apt.conf")
            apt.write_text(settings)
            options = ("--mode=root", "--variant=minbase", "--include=ca-certificates", f"--aptopt={apt}")
            run("mmdebstrap", *options, release, str(made), "-", stdin=sources)
            shutil.copy(CERTIFICATES, made / CERTIFICATES.lstrip("/"))
            made.rename(tree)
    return tree


def copy_of(tree: Path, target: Path) -> None:
    """Copy a tree, for a node that may change it."""
    run("cp", "--archive", "--reflink=auto", str(tree), str(target))


def copy_checkout(target: Path) -> None:
    """Copy what git has of the checkout, as it is now, without what has been built in it."""
    names = run("git", "-C", str(CHECKOUT), "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, names):
        source = CHECKOUT / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
