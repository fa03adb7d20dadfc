"""``make demo`` works with the few packages that it installs, and says why when it does not work."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import grpc
import pytest

from lab.playground import demo
from lab.processes import LabError, reason_of

if TYPE_CHECKING:
    from lab.lab import Lab

ROOT = Path(__file__).parents[3]
NAME = re.compile(r"[A-Za-z0-9._-]+")
IMPORTED = """
import json, sys
before = set(sys.modules)
import lab.playground.demo, lab.playground.up, lab.playground.down, lab.cri
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_with(name: str) -> set[str]:
    """A distribution and all that it needs, without its extras."""
    names, open_names = set(), [name]
    while open_names:
        one = normal(open_names.pop())
        if one not in names:
            names.add(one)
            lines = [line for line in requires(one) or () if "extra ==" not in line]
            open_names += [match[0] for line in lines if (match := NAME.match(line)) and not foreign(line)]
    return names


def foreign(line: str) -> bool:
    """Whether a requirement is for another Python or another system."""
    marker = line.partition(";")[2]
    return "python_version" in marker or "platform" in marker or "implementation" in marker


def test_the_demo_imports_nothing_of_the_tests() -> None:
    """Everything that is loaded comes with the daemon, is of this project, or is Python's own."""
    done = subprocess.run([sys.executable, "-c", IMPORTED], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    ours = installed_with("cri-shim")
    distributions = packages_distributions()
    others = {name: distributions[name] for name in loaded if name in distributions}
    assert {"grpc", "google"} <= loaded
    assert [name for name, homes in others.items() if not ours & {normal(home) for home in homes}] == []


def packages(variable: str) -> set[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    (line,) = re.findall(rf"^{variable} := (.*)$", text, re.MULTILINE)
    return set(line.split())


def test_the_demo_installs_no_compiler_and_no_browser() -> None:
    """Its packages are those of the tests, without what is large."""
    assert packages("DEMO_PACKAGES") < packages("PACKAGES")
    large = {"gcc", "libc6-dev", "chromium", "criu", "systemd", "apache2-utils", "libnghttp2-dev"}
    assert not packages("DEMO_PACKAGES") & large


@pytest.mark.parametrize("target", ["demo", "up", "down"])
def test_the_demo_has_an_environment_of_its_own(target: str) -> None:
    """Neither the environment of the tests nor their packages are made for it."""
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "RUNTIME=.venv-of-nobody", target],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ." in done.stdout
    assert "--group" not in done.stdout
    assert f".venv-of-nobody/bin/python -m lab.playground.{target}" in done.stdout
    assert "chromium" not in done.stdout


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (LabError("containerd ended with 1 at its start\nno space"), "containerd ended with 1 at its start\nno space"),
        (AssertionError("no pod is listed"), "no pod is listed"),
        (
            subprocess.CalledProcessError(3, ["runc", "--x"], stderr=b"no such flag\n"),
            "runc --x ended with 3: no such flag",
        ),
        (FileNotFoundError(2, "No such file", "docker-registry"), "the program docker-registry is not installed"),
        (
            grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, cast("Any", ()), cast("Any", ()), "containerd is away"),
            "cri-shim answered UNAVAILABLE: containerd is away",
        ),
        (KeyboardInterrupt(), "interrupted"),
    ],
)
def test_a_failure_has_its_reason_in_front(error: BaseException, said: str) -> None:
    """Without a traceback, in which a reader would have to look for it."""
    assert reason_of(raised(error)).startswith(said)
    assert "Traceback" not in reason_of(raised(error))


def test_what_nobody_expected_keeps_its_traceback() -> None:
    """It is a bug of the demo, and the traceback says where."""
    assert "in raised" in reason_of(raised(KeyError("x")))


def test_the_logs_of_what_was_begun_are_shown(tmp_path: Path) -> None:
    """The last lines of each; a daemon that was never begun has none."""

    class Part:
        def tail(self, size: int) -> str:
            assert size > 4000
            return "".join(f"line {number}\n" for number in range(100))

    class Begun:
        registry = object()
        directory = tmp_path

    begun: Any = Begun()
    begun.containerd = Begun()
    begun.containerd.daemon = Part()
    (tmp_path / "registry").mkdir()
    (tmp_path / "registry/registry.log").write_text("address in use\n")
    shown = dict(demo.logs(cast("Lab", begun)))
    assert list(shown) == ["containerd", "docker-registry"]
    assert shown["containerd"].splitlines() == [f"line {number}" for number in range(100 - demo.LINES, 100)]
    assert shown["docker-registry"] == "address in use"
