"""Every command of docs/install.md is run by tests/install, or there is a reason why not."""

from __future__ import annotations

import pytest

from tests.install.page import PAGE, blocks, commands
from tests.install.plan import NOT_RUN, VISITS
from tests.install.session import CommandError, run_commands
from tests.install.stand_ins import here


def test_every_block_has_its_visit():
    """Once, and none that the page does not have."""
    places = [(block.section, block.number) for block in blocks(PAGE.read_text())]
    visited = [place for visit in VISITS for place in visit.blocks]
    assert sorted([*visited, *NOT_RUN]) == sorted(places)


def test_commands_of_several_lines():
    """A here-document and a line that goes on are one command each."""
    lines = ["cat > a <<'END'", "x \\", "END", "one \\", "  two", "three"]
    assert list(commands(lines)) == ["cat > a <<'END'\nx \\\nEND", "one \\\n  two", "three"]


@pytest.mark.parametrize(
    ("command", "run"),
    [
        ("kubectl drain NODE --ignore-daemonsets", None),
        ("systemctl start kubelet", None),
        ("systemctl stop kubelet cri-shim", "systemctl stop cri-shim"),
        ("crictl pods", "crictl pods"),
    ],
)
def test_what_is_not_there(command, run):
    """A kubelet; the rest is run as it is written."""
    assert here(command) == run


def test_one_shell():
    """It keeps its variables, questions are answered, and each command has its output, code and time."""
    asks = "read -p 'Continue? [Y/n] ' answer; echo \"it was $answer\""
    first, second, third = run_commands([], ["a=5", 'echo "$a"', asks], say=lambda _: None)
    assert (first.printed, second.printed) == ("", "5")
    assert third.printed.endswith("it was y")
    assert [one.code for one in (first, second, third)] == [0, 0, 0]
    assert second.seconds >= 0


def test_a_failure_ends_it():
    """With what was said; what would follow is not run."""
    with pytest.raises(CommandError, match="no such word"):
        run_commands([], ["true", "echo no such word; false", "echo more"], say=lambda _: None)
    with pytest.raises(CommandError, match="exit 3"):
        run_commands([], ["exit 3"], say=lambda _: None)
