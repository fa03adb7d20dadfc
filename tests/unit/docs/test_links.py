"""What documents and docstrings point to is there."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROOMS = ("cri_shim", "containerd_client", "untrusted", "lab", "tests", "docs", "deploy", "proto")
TOP = "|".join(ROOMS)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
ELSEWHERE = re.compile(r"\w+:")
"""An address with a scheme."""
CODE = re.compile(r"`([^`\n]+)`")
WRITTEN_OUT = re.compile(rf"(?:{TOP})(?:/[\w.*{{}},-]+)+/?")
SHORT = re.compile(r"[\w-]+(?:/[\w-]+)*/[\w*-]+\.py")
MODULE = re.compile(r"(?:cri_shim|containerd_client|untrusted|lab|tests)(?:\.\w+)+")
NOT_HERE = re.compile(r"(?:cri_shim|containerd_client)[./]api\b|cri_shim\.bill\b")
"""What is generated when the project is built, and attributes of spans."""
IN_SOURCE = re.compile(r"\bdocs/(?:[\w-]+/)*[\w-]+(?:\.\w+)?")
OF_OTHERS = {
    "docs/cri/config.md",
    "docs/garbage-collection.md",
    "docs/hosts.md",
    "docs/image-verification.md",
    "docs/spec/auth",
    "docs/specs/otel/configuration/sdk-environment-variables",
    "docs/storage/prometheus.md",
}
"""Pages of containerd, of the distribution specification, of cAdvisor and of OpenTelemetry that sources refer to."""
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


@cache
def tracked() -> tuple[Path, ...]:
    """The files of the project: what git knows, and what is new and not ignored."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    paths = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return tuple(path for name in paths if (path := ROOT / name).is_file())


def documents() -> list[Path]:
    """Every page; the changelog speaks of what was, and may name what has gone."""
    return [path for path in tracked() if path.suffix == ".md" and path.name != "CHANGELOG.md"]


def named(path: Path) -> str:
    """A file as it is named in an error."""
    return str(path.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    """Links of a page to files or headings that there are not."""
    broken = []
    for match in LINK.finditer(FENCE.sub("", page.read_text(encoding="utf-8"))):
        target = match[1] or match[2]
        if ELSEWHERE.match(target):
            continue
        place, _, anchor = target.partition("#")
        file = (page.parent / place).resolve() if place else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            broken.append(target)
    return broken


def exists(name: str, page: Path) -> bool:
    """Whether a path is there: from the root, from a package, or from the page; a star stands for several files."""
    alternatives = re.search(r"\{([^}]*)\}", name)
    if alternatives:
        return all(exists(name.replace(alternatives[0], one), page) for one in alternatives[1].split(","))
    places = (ROOT, ROOT / "cri_shim", ROOT / "containerd_client", page.parent)
    return any(next(place.glob(name.rstrip("/")), None) for place in places)


def defines(source: Path, name: str) -> bool:
    """Whether a file makes or imports a name."""
    made = rf"^\s*(?:(?:class|def|async def) )?{name}\s*[:=(\[]|import (?:.* )?{name}\b"
    return bool(re.search(made, source.read_text(encoding="utf-8"), re.MULTILINE))


def is_module(name: str) -> bool:
    """Whether a dotted name is a module or package, or something in one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:length])
        source = place.with_suffix(".py") if place.with_suffix(".py").is_file() else place / "__init__.py"
        if source.is_file() or (length == len(parts) and place.is_dir()):
            return length == len(parts) or (source.is_file() and defines(source, parts[length]))
    return False


def missing_names(page: Path) -> list[str]:
    """Paths and modules in a page's code that are not there."""
    text = page.read_text(encoding="utf-8")
    code = [*CODE.findall(FENCE.sub("", text)), *FENCE.findall(text)]
    missing = []
    for part in code:
        paths = WRITTEN_OUT.findall(part) + [name for name in [part.partition(" ")[0]] if SHORT.fullmatch(name)]
        missing += [
            name for name in dict.fromkeys(paths) if not NOT_HERE.match(name) and not exists(name.rstrip("."), page)
        ]
        missing += [name for name in MODULE.findall(part) if not NOT_HERE.match(name) and not is_module(name)]
    return missing


def test_links_of_the_pages_lead_somewhere() -> None:
    """Files, folders, pictures and headings."""
    assert {named(page): broken for page in documents() if (broken := broken_links(page))} == {}


def test_paths_and_modules_in_the_pages_are_there() -> None:
    """What stands in backticks or in a block of commands."""
    assert {named(page): missing for page in documents() if (missing := missing_names(page))} == {}


def test_pages_that_the_sources_name_are_there() -> None:
    """Docstrings and comments name pages from the root; of a decision its number is enough."""
    missing = {}
    for path in tracked():
        if path.suffix not in {".py", ".js", ".toml", ".service"} and path.name not in {"Makefile", "run"}:
            continue
        names = set(IN_SOURCE.findall(path.read_text(encoding="utf-8", errors="replace"))) - OF_OTHERS
        gone = [name for name in names if not next(ROOT.glob(name), None) and not next(ROOT.glob(f"{name}-*"), None)]
        if gone:
            missing[named(path)] = gone
    assert missing == {}


def test_no_source_or_page_names_a_plan_that_is_not_here() -> None:
    """Rules and sections of documents that were never part of the project; their reasons are in docs/."""
    plan = re.compile(r"\b(?:DESI" r"GN|BEHAVI" r"OUR)\b")
    texts = [path for path in tracked() if path.suffix in {".py", ".md", ".js", ".toml", ".css", ".html"}]
    assert [named(path) for path in texts if plan.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[a](b.md)", ["b.md"]),
        ("[a](page.md#the-head) [b](#the-head) [c](page.md#no-head)", ["page.md#no-head"]),
        ("[a](https://example.org/b.md) `cri_shim/rpc`", []),
        ("`cri_shim/nothing.py` `rpc/version.py` `rpc/nothing.py`", ["cri_shim/nothing.py", "rpc/nothing.py"]),
        ("```\npython -m lab.nothing\npython -m lab.playground.demo\n```", ["lab.nothing"]),
        ("`cri_shim.service.Service` `cri_shim.service.Servant`", ["cri_shim.service.Servant"]),
    ],
)
def test_what_is_gone_would_be_noticed(tmp_path: Path, text: str, wrong: list[str]) -> None:
    """In a page of its own."""
    page = tmp_path / "page.md"
    page.write_text(f"# The head\n\n{text}\n")
    assert broken_links(page) + missing_names(page) == wrong
