"""docs/install.md: its commands are ones that the program and the Makefile have, and its pods are pods."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from google.protobuf.json_format import ParseDict

from cri_shim import cli
from cri_shim.api.runtime.v1 import runtime_pb2 as cri

ROOT = Path(__file__).parents[3]
PAGES = {name: (ROOT / name).read_text() for name in ("docs/install.md", "docs/operating.md", "README.md")}
FENCE = re.compile(r"^```\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(cri-shim [^`]+)`")
FILE = re.compile(r"^cat > (\S+) <<'END'\n(.*?)^END$", re.MULTILINE | re.DOTALL)


def lines(page: str) -> list[str]:
    """The lines of a page that are commands, without comments."""
    return [line.partition(" #")[0].strip() for block in FENCE.findall(page) for line in block.splitlines()]


def commands() -> list[str]:
    """Every command of ours that the pages have, in blocks and within sentences."""
    written = [line for page in PAGES.values() for line in [*lines(page), *INLINE.findall(page)]]
    plain = [re.split(r" [>|] ?| && ", line)[0].strip() for line in written if line.startswith("cri-shim ")]
    return sorted(set(plain))


@pytest.mark.parametrize("command", commands())
def test_the_program_has_the_command(command):
    """With these options; words in capitals stand for something."""
    words = [word for word in shlex.split(command)[1:] if word != "…"]
    if words in (["--version"], ["config"]) or "bash|zsh|fish" in command:
        return
    cli.make_parser().parse_args(words)


def test_make_has_the_targets():
    """That the page names."""
    makefile = (ROOT / "Makefile").read_text()
    targets = {line.split()[1] for line in lines(PAGES["docs/install.md"]) if line.startswith("make ")}
    assert targets == {"demo", "deb", "wheels"}
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_the_pod_is_one():
    """The CRI has every key."""
    files = dict(FILE.findall(PAGES["docs/install.md"]))
    assert set(files) == {"pod.json", "container.json"}
    ParseDict(json.loads(files["pod.json"]), cri.PodSandboxConfig())
    ParseDict(json.loads(files["container.json"]), cri.ContainerConfig())


def test_it_leads_from_apt_to_a_pod():
    """The section of the first pod begins with apt and ends with crictl."""
    section = PAGES["docs/install.md"].partition("## A node and its first pod")[2].partition("\n## ")[0]
    first, *_, shown, removed = FENCE.findall(section)
    assert first.startswith("apt update\napt install ")
    assert "crictl ps" in shown
    assert removed.startswith("crictl rmp ")
