"""Get other OCI runtimes than the machine's runc: ``python -m lab.debian oci crun`` prints its program.

They come from Debian's newer suites, and are unpacked below .oci/ with their libraries, without being installed (see
:mod:`lab.debian.packages`). A crun that is installed is taken as it is.

A newer runc takes the place of the machine's by its place on PATH, as on a machine that has it installed. Another
program is named by the option BinaryName of the default runtime handler, as its users name it. The environment variable
LAB_OCI_RUNTIME names it to all labs, so that plugin and bridge have the same one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lab.debian.packages import ROOT, NotAvailableError, bind_to_own_libraries, download, run, unpack

CACHE = ROOT / ".oci"
SUITES = ("sid",)
V2_CONTROLLERS = Path("/sys/fs/cgroup/unified/cgroup.controllers")


@dataclass(frozen=True, slots=True)
class Runtime:
    """A package and the version that is wanted of it, None for the newest; the program has the package's name."""

    package: str
    wanted: tuple[int, int, int] | None = None


RUNTIMES = {"crun": Runtime("crun"), "runc-1.3": Runtime("runc", (1, 3, 6))}


def program(name: str) -> Path:
    """Return the path of a runtime's program, which has a folder of its own; raises :class:`NotAvailableError`."""
    runtime = RUNTIMES[name]
    installed = shutil.which(runtime.package)
    if installed is not None and runtime.wanted is None:
        return Path(installed)
    link = CACHE / name / "bin" / runtime.package
    if not link.exists():
        CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as directory:
            bring(runtime, Path(directory), CACHE / name)
    return link


def bring(runtime: Runtime, directory: Path, place: Path) -> None:
    """Download a runtime with all that it depends on, unpack it, and check that it runs. ``directory`` is scratch."""
    shutil.rmtree(place, ignore_errors=True)
    packages = download(runtime.package, SUITES, directory / "packages", wanted=runtime.wanted, whole=True)
    unpack(packages, place)
    folder = next((folder for folder in ("bin", "sbin") if (place / "usr" / folder / runtime.package).exists()), None)
    if folder is None:
        raise NotAvailableError(f"the package {runtime.package} has no program of that name")
    unpacked = place / "usr" / folder / runtime.package
    bind_to_own_libraries(unpacked, place, directory / "patchelf")
    run([str(unpacked), "--version"])
    (place / "bin").mkdir(exist_ok=True)
    (place / "bin" / runtime.package).symlink_to(unpacked)


def use(name: str) -> str:
    """Have all labs of this process use a runtime; return the program as it is called."""
    path = program(name)
    if RUNTIMES[name].package == "runc":
        os.environ["PATH"] = f"{path.parent}:{os.environ['PATH']}"
        return "runc"
    os.environ["LAB_OCI_RUNTIME"] = str(path)
    return str(path)


def options() -> dict[str, str]:
    """Return the options of a runtime handler that name the runtime; none where it is runc."""
    named = os.environ.get("LAB_OCI_RUNTIME", "")
    return {"BinaryName": named} if named else {}


def has_hybrid_cgroups(controllers: Path = V2_CONTROLLERS) -> bool:
    """Return whether this machine has a hierarchy of cgroup v2 beside those of v1."""
    return controllers.exists()


def refuses_hybrid_cgroups(controllers: Path = V2_CONTROLLERS) -> bool:
    """Return whether crun refuses this machine, because cgroup v2 has controllers beside v1."""
    return has_hybrid_cgroups(controllers) and bool(controllers.read_text().strip())


def without_v2_controllers(command: list[str]) -> list[str]:
    """Return a command that runs in a mount namespace where the v2 hierarchy beside v1 seems to have no controllers."""
    script = f'mount --bind /dev/null {V2_CONTROLLERS} && exec "$@"'
    return ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", script, "sh", *command]
