"""The disk with the project on it, mounted at /opt: installed in a virtual environment, and the tests beside it.

The environment is the one that docs/operating.md has people make, at the same place, put together without a network:
the project's wheel, unpacked, and the packages it needs, copied from the environment that runs this. It runs on the
guest's own Python, which must therefore be of the same minor version. Tests run against what is installed; the checkout
beside it has no code, so a file that is missing from the wheel is missing there, too.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, PathDistribution, distribution
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from lab.pause import pause_program
from tests.guest.base import make_disk
from tests.guest.commands import run
from tests.guest.errors import GuestError

if TYPE_CHECKING:
    from collections.abc import Sequence

CHECKOUT = Path(__file__).resolve().parents[2]
CODE = ("cri_shim", "containerd_client", "untrusted", "proto", "deploy", "pyproject.toml", "README.md", "LICENSE")
CARRIED = ("tests", "lab", "deploy", "pyproject.toml", "docs/install.md")
NEEDED_BY_TESTS = ("pytest", "pytest-asyncio", "pytest-timeout", "pytest-rerunfailures")
ENVIRONMENT = "cri-shim"
SIZE = "1G"
GENERATED = shutil.ignore_patterns("__pycache__", "api")


def project_disk(cache: Path, packages: Sequence[Path] = ()) -> Path:
    """The disk of the checkout as it is now, with packages in /opt/packages; the one from before, if the same."""
    image = cache / f"project-{fingerprint(packages)}.img"
    if not image.exists():
        for old in cache.glob("project-*.img"):
            old.unlink()
        with TemporaryDirectory(prefix="project-building-", dir=cache) as name:
            tree = Path(name, "opt")
            lay_out(tree, Path(name))
            for package in packages:
                (tree / "packages").mkdir(exist_ok=True)
                shutil.copy2(package, tree / "packages")
            make_disk(Path(name, "disk"), tree, size=SIZE, label="project")
            Path(name, "disk").rename(image)
    return image


def fingerprint(packages: Sequence[Path] = ()) -> str:
    """A name for all that is on the disk."""
    digest = hashlib.sha256(f"{sys.version_info}".encode())
    for path in sorted(files()):
        digest.update(f"{path.relative_to(CHECKOUT)}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    for one in sorted(f"{package.name} {package.version}" for package in needed()):
        digest.update(one.encode())
    for package in packages:
        digest.update(package.name.encode() + package.read_bytes())
    return digest.hexdigest()[:16]


def files() -> list[Path]:
    """Every file of the checkout that has a part in it, without what is generated."""
    roots = [CHECKOUT / name for name in {*CODE, *CARRIED}]
    paths = [path for root in roots for path in (root.rglob("*") if root.is_dir() else [root]) if path.is_file()]
    return [path for path in paths if not {"__pycache__", "api"} & set(path.relative_to(CHECKOUT).parts)]


def lay_out(tree: Path, scratch: Path) -> None:
    """Make the folder that becomes the disk."""
    environment = tree / ENVIRONMENT
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = environment / "lib" / version / "site-packages"
    packages.mkdir(parents=True)
    for one in needed():
        copy_distribution(one, packages)
    with zipfile.ZipFile(wheel(scratch)) as archive:
        archive.extractall(packages)
    programs = environment / "bin"
    programs.mkdir()
    (programs / "python3").symlink_to(f"/usr/bin/{version}")
    (environment / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    for script in next(iter(PathDistribution.discover(name="cri-shim", path=[str(packages)]))).entry_points:
        program = programs / script.name
        program.write_text(
            f"#!/opt/{ENVIRONMENT}/bin/python3\nimport sys\nfrom {script.module} import {script.attr}\n"
            f"sys.exit({script.attr}())\n"
        )
        program.chmod(0o755)
    for name in CARRIED:
        source, target = CHECKOUT / name, tree / "checkout" / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.parent.mkdir(exist_ok=True)
            shutil.copy2(source, target)
    if compiled := pause_program():
        (tree / "pause").write_bytes(compiled)
    run(sys.executable, "-m", "compileall", "-q", str(tree))


def wheel(scratch: Path) -> Path:
    """Build the project's wheel from a copy, because the build writes generated code into the folder it is run in."""
    copy, target = scratch / "source", scratch / "wheel"
    copy.mkdir()
    for name in CODE:
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=GENERATED)
        else:
            shutil.copy2(source, copy / name)
    pip = (str(CHECKOUT / ".venv/bin/python"), "-m", "pip", "--python", sys.executable)
    run(*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(target), str(copy))
    (built,) = target.iterdir()
    return built


def needed() -> list[Distribution]:
    """What the project and its tests need of this environment, and what that needs in turn."""
    distributions: dict[str, Distribution] = {}
    wanted = ["cri-shim", *NEEDED_BY_TESTS]
    while wanted:
        name = wanted.pop()
        if name in distributions:
            continue
        try:
            distributions[name] = distribution(name)
        except PackageNotFoundError as error:
            raise GuestError(f"package {name} is not installed here; run `make venv`") from error
        requirements = [Requirement(text) for text in distributions[name].requires or ()]
        wanted += [one.name for one in requirements if one.marker is None or one.marker.evaluate({"extra": ""})]
    del distributions["cri-shim"]
    return list(distributions.values())


def copy_distribution(one: Distribution, target: Path) -> None:
    """Copy the installed files of a package, with their times, so that what was compiled of them stays good."""
    for file in one.files or ():
        if ".." not in file.parts:
            source, copy = Path(str(file.locate())), target / file
            copy.parent.mkdir(parents=True, exist_ok=True)
            if source.exists():
                shutil.copy2(source, copy)
