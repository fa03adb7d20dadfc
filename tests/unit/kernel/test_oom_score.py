"""Scores of processes that run already."""

from __future__ import annotations

from cri_shim.kernel.oom_score import move_oom_scores


def test_only_the_old_score_is_replaced(tmp_path):
    """A process with a score of its own keeps it, and one that is gone does no harm."""
    for pid, score in ((7, "300"), (8, "-5"), (9, "300\n")):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "oom_score_adj").write_text(score)
    move_oom_scores([7, 8, 9, 10], 300, 20, tmp_path)
    assert [(tmp_path / str(pid) / "oom_score_adj").read_text() for pid in (7, 8, 9)] == ["20", "-5", "20"]
