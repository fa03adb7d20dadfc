"""Exit codes and times as shims report them, which are numbers of other sizes than those of the CRI."""

from __future__ import annotations

import pytest

from containerd_client import exits
from containerd_client.api.containerd.services.tasks.v1 import tasks_pb2

LATEST = (1 << 63) - 1


@pytest.mark.parametrize(
    ("reported", "code"), [(0, 0), (137, 137), (2**31 - 1, 2**31 - 1), (2**31, -(2**31)), (2**32 - 1, -1)]
)
def test_a_code_is_a_number_with_a_sign(reported, code):
    """Go's clients, and the plugin among them, make the same of a shim's 32 bits."""
    assert exits.exit_of_wait(tasks_pb2.WaitResponse(exit_status=reported)).code == code
    assert exits.exit_of_delete(tasks_pb2.DeleteResponse(exit_status=reported)).code == code


@pytest.mark.parametrize(
    ("seconds", "nanos", "expected"),
    [
        (0, 0, 0),
        (1, 5, 1_000_000_005),
        (253402300799, 999999999, LATEST),
        (-62135596800, 0, 0),
        (2**63 - 1, 0, LATEST),
        (1, 2**31 - 1, 3_147_483_647),
        (1, -5, 999_999_995),
    ],
)
def test_a_time_has_64_bits(seconds, nanos, expected):
    """The years 1 and 9999, and seconds that no Timestamp should have, are bounded."""
    response = tasks_pb2.WaitResponse()
    response.exited_at.seconds, response.exited_at.nanos = seconds, nanos
    assert exits.exit_of_wait(response).exited_at_ns == expected
