"""docs/performance.md says what the committed run says, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from cri_shim.bench.report.files import markdown_files
from cri_shim.bench.result_file import load

DOCS = Path(__file__).parents[3] / "docs"
DATA = DOCS / "data" / "performance.json"


@pytest.fixture(scope="module")
def made_again() -> dict[str, str]:
    """The page and its pictures, made from the JSON now."""
    return markdown_files(load(DATA), None, "performance.md", "performance")


def test_the_page_is_what_the_json_gives(made_again):
    """Every number, word and plot of the page comes from the JSON."""
    for path, content in made_again.items():
        assert (DOCS / path).read_text(encoding="utf-8") == content, f"{path}: make it again from {DATA}"


def test_there_is_no_other_picture(made_again):
    """What an older run has left is gone."""
    assert {str(path.relative_to(DOCS)) for path in (DOCS / "performance").iterdir()} == set(made_again) - {
        "performance.md"
    }


def test_the_command_is_beside_the_numbers(made_again):
    """A reader can do it again."""
    assert load(DATA).command in made_again["performance.md"]


def test_a_changed_number_would_be_noticed(made_again, tmp_path):
    """The page follows the JSON: with another median in it, another page comes out."""
    text = DATA.read_text(encoding="utf-8")
    value = load(DATA).steps[0].rounds[0].turns["bridge"].samples["pod start"][0]
    changed = tmp_path / "changed.json"
    changed.write_text(text.replace(f'"pod start":[{value}]', '"pod start":[999999.0]'), encoding="utf-8")
    assert markdown_files(load(changed), None, "performance.md", "performance") != made_again
