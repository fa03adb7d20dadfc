"""The commands for people: ``make demo`` proves what it claims, ``make up`` leaves a node, ``make down`` removes it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.playground.place import DEMO
from lab.processes import command_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]


def run(module: str, *arguments: str) -> str:
    """Run one of the lab's programs to its end; what it printed."""
    command = [sys.executable, "-m", f"lab.{module}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=DEMO.parent, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def no_node_is_up() -> Iterator[None]:
    """No node of these commands is up, before and after."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if DEMO.exists():
        pytest.skip(f"{DEMO} exists: a node of `make up` is in use")
    yield
    if DEMO.exists():
        run("playground.down")


@pytest.mark.usefixtures("no_node_is_up")
def test_up_and_down() -> None:
    """From nothing to a node with a pod that can be looked at, and back to nothing."""
    assert "The node is up." in run("playground.up")
    assert "demo" in run("cri", "pods")
    deadline = time.monotonic() + 30
    while "hello from the neighbour" not in run("cri", "logs", "asker"):
        assert time.monotonic() < deadline
    assert "nothing is left" in run("playground.down")
    assert not DEMO.exists()
    assert not [pid for pid, arguments in command_lines() if str(DEMO) in " ".join(arguments)]
    assert str(DEMO) not in Path("/proc/self/mountinfo").read_text(encoding="utf-8")


@pytest.mark.usefixtures("no_node_is_up")
def test_other_architectures_beside_it() -> None:
    """Each has the demo's pod or container, the page outlives the daemon, and all of it is gone afterwards."""
    shown = run("playground.up", *(word for side in ("plugin", "pinned", "docker") for word in ("--side", side)))
    page = re.search(r"page +(http://\S+)", shown)
    assert page is not None
    commands = [line.partition("#")[0].strip() for line in shown.splitlines()]
    for command in (each for each in commands if each.endswith(" pods")):
        assert "demo" in shell(command)
    assert "Up " in shell(next(each for each in commands if each.endswith("docker ps")))
    assert "moby" in shell(next(each for each in commands if each.endswith("namespaces list")))
    assert "StartContainer" in shell(next(each for each in commands if " hops" in each))
    explained = shell(next(each for each in commands if " explain" in each))
    assert "Tasks/Start" in explained
    assert "not known yet" not in explained, "the first price that a reader sees has all of its parts"
    assert "hello from the neighbour" in shell(next(each for each in commands if " logs" in each))
    kill = next(number for number, each in enumerate(commands) if each.startswith("kill -9"))
    assert "RUNNING" in shell(commands[kill])
    assert "Ready" in shell(commands[kill + 1])
    assert answers(page[1])
    assert "nothing is left" in run("playground.down")
    assert not DEMO.exists()
    assert not [pid for pid, arguments in command_lines() if str(DEMO) in " ".join(arguments)]
    assert str(DEMO) not in Path("/proc/self/mountinfo").read_text(encoding="utf-8")


def shell(command: str) -> str:
    """Run a command of the tour as a reader would; return what it printed."""
    script = f"source {DEMO / 'env'}; {command}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd="/", timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def answers(url: str) -> bool:
    """Return whether the page is there."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.usefixtures("no_node_is_up")
def test_demo() -> None:
    """Its exit code is 0 only if all of it held."""
    assert "the pod answers while no daemon runs" in run("playground.demo")
