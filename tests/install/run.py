"""Run the page on fresh nodes: ``python -m tests.install.run RELEASE…``, with a part of a visit's name by ``--only``.

Prints each command with its seconds. Exit codes: 0 all did what they should, 1 one did not, 3 a Debian, or the programs
that the test needs, could not be had, so that nothing is known.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.guest.errors import GuestError
from tests.install.fresh_debian import CACHE, CARRIED, RELEASES, copy_checkout, copy_of, fresh_tree
from tests.install.fresh_root import fresh_root
from tests.install.page import PAGE, blocks
from tests.install.plan import NOT_RUN, VISITS
from tests.install.session import CommandError
from tests.install.stand_ins import without_systemd
from tests.install.visit import crictl_program, type_commands

if TYPE_CHECKING:
    from tests.install.page import Block
    from tests.install.plan import Visit

    Page = dict[tuple[str, int], Block]

NOTHING_KNOWN = 3


def main() -> int:
    """Make every visit on every release that is asked for."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    parser = argparse.ArgumentParser(prog="python -m tests.install.run", description=__doc__)
    parser.add_argument("releases", nargs="*", metavar="RELEASE", help=f"of Debian; by default {' '.join(RELEASES)}")
    parser.add_argument("--only", default="", metavar="WORDS", help="only visits whose name has these words")
    options = parser.parse_args()
    page = {(block.section, block.number): block for block in blocks(PAGE.read_text())}
    for (section, _), reason in NOT_RUN.items():
        print(f"not run: {section}: {reason}")
    if crictl_program() is None:
        print("not run: commands of crictl: there is none; name one by CRICTL=/path/to/crictl")
    try:
        for release in options.releases or RELEASES:
            began = time.monotonic()
            tree = fresh_tree(release)
            print(f"=== Debian {(tree / 'etc/debian_version').read_text().strip()} ({release})")
            commands = 0
            for visit in VISITS:
                if options.only in visit.name:
                    commands += visited(visit, tree, CARRIED / release, page)
            print(f"{release}: {commands} commands passed, 0 failed, {time.monotonic() - began:.0f} s")
    except GuestError as error:
        print(f"no fresh Debian, so nothing is known: {error}")
        return NOTHING_KNOWN
    except CommandError as error:
        print(error)
        return 1
    return 0


def visited(visit: Visit, tree: Path, carried: Path, page: Page) -> int:
    """Make one visit on a node of its own; return the number of commands."""
    began = time.monotonic()
    print(f"--- {visit.name}")
    with TemporaryDirectory(prefix="node-", dir=CACHE) as name:
        files = Path(name, "root")
        copy_of(tree, files)
        shutil.copy("/etc/resolv.conf", files / "etc/resolv.conf")
        directory = Path("/root", visit.brings)
        bring(visit.brings, files / directory.relative_to("/"), carried)
        crictl = visit.pods and give_crictl(files)
        with fresh_root(files) as root, without_systemd(root) if visit.pods else nullcontext():
            ran = []
            if visit.before:
                ran += type_commands(root.enter, visit.before, directory, online=True, crictl=crictl)
            commands = [command for place in visit.blocks for command in page[place].commands]
            ran += type_commands(root.enter, [*commands, *visit.after], directory, online=visit.online, crictl=crictl)
        for pattern in visit.leaves:
            for path in (files / directory.relative_to("/")).glob(pattern):
                (carried / Path(pattern).parent).mkdir(parents=True, exist_ok=True)
                shutil.copy(path, carried / Path(pattern).parent)
    print(f"{time.monotonic() - began:7.1f} s  in all")
    return len(ran)


def bring(what: str, target: Path, carried: Path) -> None:
    """Lay on a node what is carried to it: the checkout, or what earlier visits have left."""
    target.mkdir()
    if what == "checkout":
        copy_checkout(target)
    elif what == "wheels":
        shutil.copytree(carried / "dist/wheels", target / "dist/wheels")
    else:
        for path in (carried / {"package": "dist", "offline": "offline"}[what]).glob("*.deb"):
            shutil.copy(path, target)


def give_crictl(files: Path) -> bool:
    """Install crictl on a node, which Debian does not have; return whether there is one."""
    program = crictl_program()
    if program is not None:
        shutil.copy(program, files / "usr/local/bin/crictl")
    return program is not None


if __name__ == "__main__":
    sys.exit(main())
