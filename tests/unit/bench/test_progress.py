"""The progress bar."""

from __future__ import annotations

import io

from cri_shim.bench.progress import Progress, bar


class FakeTerminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


def test_the_bar_fills():
    """Empty at the start, half in the middle, full at the end and not beyond."""
    assert bar(0, 10).startswith("─")
    assert bar(5, 10).count("━") == bar(5, 10).count("─")
    assert bar(20, 10).endswith("100%")


def test_a_terminal_sees_one_line_that_changes():
    """Every update writes over the one before, also when it is shorter."""
    out = FakeTerminal()
    progress = Progress(out, 10)
    progress.title("batch")
    progress.show("round 10 of 10")
    progress.advance(5)
    progress.show("x")
    assert out.getvalue().count("\r") == 2
    assert "\n" not in out.getvalue()
    first, second = out.getvalue().split("\r")[1:]
    assert len(second) >= len(first)
    assert " 50%" in second


def test_a_log_sees_one_line_a_step():
    """Where there is no terminal, updates are left out."""
    out = io.StringIO()
    progress = Progress(out, 10)
    progress.title("batch")
    progress.show("round 1 of 2")
    progress.end()
    assert out.getvalue() == "batch\n"


def test_what_is_left_follows_from_what_it_took():
    """Unknown before anything is done, nothing at the end."""
    progress = Progress(io.StringIO(), 10)
    assert progress.left() == "--:--"
    progress.advance(10)
    assert progress.left() == "00:00"
