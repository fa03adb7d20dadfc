"""The pages of numbers in docs/ say what the committed runs say, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from cri_shim.bench.report.files import markdown_files
from cri_shim.bench.result_file import load

DOCS = Path(__file__).parents[3] / "docs"
PAGES = sorted(path.stem for path in (DOCS / "data").glob("performance*.json"))


def data(page: str) -> Path:
    """The run that a page is made of."""
    return DOCS / "data" / f"{page}.json"


@pytest.fixture(scope="module", params=PAGES)
def page(request) -> str:
    """The name of a page."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def made_again(page) -> dict[str, str]:
    """The page and its pictures, made from the JSON now."""
    return markdown_files(load(data(page)), None, f"{page}.md", page)


def test_the_page_of_everything_is_there():
    """The others are beside it."""
    assert "performance" in PAGES


def test_the_page_is_what_the_json_gives(page, made_again):
    """Every number, word and plot of the page comes from the JSON."""
    for path, content in made_again.items():
        assert (DOCS / path).read_text(encoding="utf-8") == content, f"{path}: make it again from {data(page)}"


def test_there_is_no_other_picture(page, made_again):
    """What an older run has left is gone."""
    assert {str(path.relative_to(DOCS)) for path in (DOCS / page).iterdir()} == set(made_again) - {f"{page}.md"}


def test_the_command_is_beside_the_numbers(page, made_again):
    """A reader can do it again."""
    assert load(data(page)).command in made_again[f"{page}.md"]


def test_a_changed_number_would_be_noticed(page, made_again, tmp_path):
    """The page follows the JSON: with another number in it, another page comes out."""
    text = data(page).read_text(encoding="utf-8")
    metric, (value, *_) = next(iter(load(data(page)).steps[0].rounds[0].turns["bridge"].samples.items()))
    changed = tmp_path / "changed.json"
    changed.write_text(text.replace(f'"{metric}":[{value}', f'"{metric}":[999999.0'), encoding="utf-8")
    assert markdown_files(load(changed), None, f"{page}.md", page) != made_again
