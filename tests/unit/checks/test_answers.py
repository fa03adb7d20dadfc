"""Lines that the page of the architecture names are those of their symbols, and are renewed by command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks import answers

if TYPE_CHECKING:
    from tests.unit.checks.conftest import MakeRepository

CODE = "x = 1\n\n\nclass Exits:\n    def wait(self):\n        pass\n"
ANSWER = "[sync/exits.py:{0}](../cri_shim/sync/exits.py#L{0}) `Exits.wait`"


def page(text: str) -> dict[str, str]:
    return {"docs/architecture.md": f"# Architecture\n\n{text}\n", "cri_shim/sync/exits.py": CODE}


def test_a_current_line_is_right(checkout: MakeRepository) -> None:
    """A symbol may be inside a class."""
    assert answers.check(checkout(page(ANSWER.format(5)))) == []


def test_a_line_that_the_symbol_has_left(checkout: MakeRepository) -> None:
    """It is reported at the place of the answer, and renewed."""
    repository = checkout(page(ANSWER.format(9)))
    assert [str(one) for one in answers.check(repository)] == [
        "docs/architecture.md:3: names a line that its symbol has left: run make picture"
    ]
    assert ANSWER.format(5) in answers.renew(repository, repository.text("docs/architecture.md"))


def test_a_symbol_or_a_file_that_is_gone(checkout: MakeRepository) -> None:
    """The sentence says what to name instead."""
    (gone,) = answers.check(checkout(page(ANSWER.format(5).replace("wait", "poll"))))
    assert "Exits.poll, which cri_shim/sync/exits.py does not define" in gone.text
    (moved,) = answers.check(checkout(page(ANSWER.format(5).replace("exits.py#", "ends.py#"))))
    assert "cri_shim/sync/ends.py, which does not exist" in moved.text
