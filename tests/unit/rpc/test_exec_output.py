"""How much of a command's output one answer holds."""

from __future__ import annotations

import pytest

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.rpc.container_execsync import OUTPUT_LIMIT, cut_to_fit
from cri_shim.server.instrument import MESSAGE_LIMIT


@pytest.mark.parametrize(
    ("stdout", "stderr", "expected"),
    [
        (3, 4, (3, 4)),
        (10, 0, (10, 0)),
        (11, 0, (10, 0)),
        (0, 11, (0, 10)),
        (20, 2, (8, 2)),
        (2, 20, (2, 8)),
        (20, 20, (5, 5)),
    ],
)
def test_what_fits(stdout, stderr, expected):
    """Together at most the limit; each may have half, and what the other one leaves."""
    out, err = cut_to_fit(b"o" * stdout, b"e" * stderr, 10)
    assert (len(out), len(err)) == expected


def test_the_largest_answer_fits_into_a_message():
    """With the worst exit code there is."""
    half = b"x" * (OUTPUT_LIMIT // 2)
    answer = cri.ExecSyncResponse(stdout=half, stderr=half, exit_code=-1)
    assert len(answer.SerializeToString()) <= MESSAGE_LIMIT
