"""``python -m lab.debian``: one command for all programs that this machine does not have."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from lab.debian import containerd_versions, docker_engine, packages, pythons
from lab.debian.__main__ import main
from lab.debian.packages import NotAvailableError

CHECKOUT = Path(__file__).parents[3]


def test_the_place_is_printed(monkeypatch, capsys):
    """A folder, a part of PATH, or a program."""
    monkeypatch.setattr(containerd_versions, "binaries", lambda line: Path("/c") / line)
    monkeypatch.setattr(docker_engine, "folders", lambda: [Path("/d/sbin"), Path("/d/bin")])
    monkeypatch.setattr(pythons, "program", lambda version: Path(f"/p/python{version}"))
    assert [main(["containerd", "2.1"]), main(["docker"]), main(["python", "3.13"])] == [0, 0, 0]
    assert capsys.readouterr().out == "/c/2.1\n/d/sbin:/d/bin\n/p/python3.13\n"


def test_the_reason_is_said(monkeypatch, capsys):
    """Nothing on standard output, which a script reads."""

    def away(_version):
        raise NotAvailableError("no network")

    monkeypatch.setattr(pythons, "program", away)
    assert main(["python", "3.13"]) == 1
    assert capsys.readouterr() == ("", "no network\n")


def test_a_version_that_there_is_not_is_refused(capsys):
    """With those that there are."""
    with pytest.raises(SystemExit, match="2"):
        main(["containerd", "1.5"])
    assert "'1.7', '2.1'" in capsys.readouterr().err


def test_what_is_unpacked_is_never_committed():
    """A folder of the checkout that git does not ignore would be."""
    ignored = (CHECKOUT / ".gitignore").read_text().splitlines()
    texts = [file.read_text() for file in (CHECKOUT / "lab/debian").glob("*.py")]
    folders = {folder for text in texts for folder in re.findall(r'^CACHE = ROOT / "(.+)"$', text, re.MULTILINE)}
    assert len(folders) > 3
    assert {f"/{folder}/" for folder in folders} <= set(ignored)


def test_a_lab_that_is_killed_leaves_nothing_that_git_sees(monkeypatch, tmp_path):
    """What is downloaded and unpacked lies in the folder that git ignores from the beginning, not beside it."""
    beside: list[Path] = []

    def bring(scratch):
        beside.extend(tmp_path.iterdir())
        (scratch / "unpacked" / "usr" / "bin").mkdir(parents=True)
        return scratch / "unpacked"

    monkeypatch.setattr(docker_engine, "ROOT", tmp_path)
    monkeypatch.setattr(docker_engine, "CACHE", tmp_path / ".docker")
    monkeypatch.setattr(docker_engine, "bring", bring)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    folders = docker_engine.folders()
    assert beside == [tmp_path / ".docker"]
    assert [folder.relative_to(tmp_path / ".docker").parts for folder in folders] == [("usr", "sbin"), ("usr", "bin")]
    assert [path.name for path in (tmp_path / ".docker").iterdir()] == ["usr"]


def test_no_temporary_directory_is_made_in_the_checkout_itself():
    """It stays when its program is killed, and git ignores only the folders that are named."""
    made = re.compile(r"(TemporaryDirectory|mkdtemp)\([^)]*dir=ROOT\b")
    assert [file for file in (CHECKOUT / "lab").rglob("*.py") if made.search(file.read_text())] == []


TARGETS = {
    "Origin: Brave Software": "https://brave.example stable\n",
    "Origin: Debian": "http://deb.example/debian bookworm\nhttp://deb.example/debian-security bookworm-security\n",
}


def test_the_mirror_is_debians(monkeypatch):
    """Other vendors have a suite of the same name, and may come first."""

    def run(command):
        return "".join(text for origin, text in TARGETS.items() if origin in command or "Origin: Debian" not in command)

    monkeypatch.setattr(packages, "codename", lambda: "bookworm")
    monkeypatch.setattr(packages, "run", run)
    assert packages.mirror() == "http://deb.example/debian"
