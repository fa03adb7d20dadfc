"""Record one pod start of each architecture for the explorer: ``python -m lab.pod_starts`` (as root).

What Debian does not have is brought by the caller, and without it the record of that architecture stays as it is.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lab import cgroup_driver
from lab.debian import containerd_versions
from lab.debian.packages import ROOT, NotAvailableError
from lab.lab import push_images
from lab.pod_starts.peers import Docker, Original
from lab.pod_starts.recorder import IncompleteError, Wanted, record
from lab.pod_starts.sides import Bridge, Plugin
from lab.pod_starts.spans import TracedPlugin
from lab.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.pod_starts.sides import Side

PAGE: Final = ROOT / "cri_shim" / "explorer" / "page"


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the arguments."""
    parser = argparse.ArgumentParser(prog="python -m lab.pod_starts", description=__doc__)
    names = ["docker", "cri-containerd", "plugin-1.6", "plugin-2.1", "cri-shim"]
    parser.add_argument("--side", action="append", choices=names, help="only this one; may be repeated")
    parser.add_argument("--starts", type=int, default=9, help="observed starts, of which the median one is recorded")
    parser.add_argument("--cri-dockerd", type=Path, metavar="PATH", help="the program, for the side docker")
    parser.add_argument("--cri-containerd", type=Path, metavar="PATH", help="the program of 2018")
    parser.add_argument("--cri-containerd-version", default="", help="its version, which it does not print")
    parser.add_argument("--runc", default="runc", help="another runc for these two, which lower an oom_score_adj")
    parser.add_argument("--output", type=Path, default=PAGE, metavar="DIRECTORY", help="default: beside the page")
    options = parser.parse_args(arguments)
    options.side = options.side or [
        *(["docker"] if options.cri_dockerd else []),
        *(["cri-containerd"] if options.cri_containerd else []),
        *names[2:],
    ]
    for name, program in (("docker", options.cri_dockerd), ("cri-containerd", options.cri_containerd)):
        if name in options.side and program is None:
            parser.error(f"the side {name} needs its program: --cri-dockerd or --cri-containerd PATH")
    return options


def sides(options: argparse.Namespace, directory: Path, registry: Registry) -> dict[str, Callable[[], Side]]:
    """Return how to make each side."""
    return {
        "docker": lambda: Docker(directory / "docker", registry, program=options.cri_dockerd, runc=options.runc),
        "cri-containerd": lambda: Original(
            directory / "cri-containerd",
            registry,
            program=options.cri_containerd,
            runc=options.runc,
            version=options.cri_containerd_version,
        ),
        "plugin-1.6": lambda: Plugin(directory / "plugin-1.6", registry),
        "plugin-2.1": lambda: TracedPlugin(
            directory / "plugin-2.1", registry, binaries=containerd_versions.binaries("2.1")
        ),
        "cri-shim": lambda: Bridge(directory / "cri-shim", registry),
    }


def command_of(side: str, options: argparse.Namespace) -> str:
    """Return the command that records one side, for the record: without the paths that a program has here."""
    brought = {"docker": "--cri-dockerd PATH", "cri-containerd": "--cri-containerd PATH"}.get(side)
    wrapped = "--runc PATH" if brought and options.runc != "runc" else None
    words = ["python -m lab.pod_starts", f"--side {side}", f"--starts {options.starts}", brought, wrapped]
    return " ".join(word for word in words if word)


def remove_cgroups(parent: str) -> None:
    """Remove the empty cgroups of the pods, in every hierarchy."""
    cgroup_driver.drop(parent)
    for hierarchy in (*cgroup_driver.ROOT.iterdir(), cgroup_driver.ROOT):
        own = hierarchy / cgroup_driver.path(parent)
        if hierarchy.is_dir() and own.is_dir():
            for folder in (*sorted((one for one in own.rglob("*") if one.is_dir()), reverse=True), own):
                with contextlib.suppress(OSError):
                    folder.rmdir()


def main(arguments: list[str]) -> int:
    """Record, and write one file for each side."""
    options = parse(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what is up is torn down
    directory = Path(tempfile.mkdtemp(prefix="pod-starts-"))
    directory.chmod(0o711)
    parent = cgroup_driver.parent(directory.name)
    failed = 0
    try:
        with Registry.start(directory / "registry") as registry:
            push_images(registry)
            make = sides(options, directory, registry)
            for name in options.side:
                try:
                    made = record(make[name](), Wanted(options.starts, command_of(name, options), parent))
                except (NotAvailableError, IncompleteError) as error:
                    failed += 1
                    sys.stderr.write(f"{name}: not recorded, {error}\n")
                    continue
                path = options.output / f"run-{name}.json"
                path.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
                sys.stdout.write(f"{path}: {len(made['steps'])} steps in {made['wall_ms']:.1f} ms\n")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        remove_cgroups(parent)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
