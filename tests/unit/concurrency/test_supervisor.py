"""What runs in the background ends with the daemon, and leaves nothing behind."""

from __future__ import annotations

import errno
import os
import warnings

import pytest
from structlog.testing import capture_logs

from cri_shim.concurrency.supervisor import Supervisor


async def test_work_that_is_cancelled_before_it_begins():
    """It is ended like any other, and Python has nothing to say about it."""
    begun = []

    async def work() -> None:
        begun.append(True)

    supervisor = Supervisor()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        supervisor.once("work", work())
        await supervisor.stop()
    assert not begun
    assert not heard


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            OSError(errno.ENFILE, os.strerror(errno.ENFILE), "/proc/self/mountinfo"),
            (
                "/proc/self/mountinfo: too many open files in system; the node has reached its open file limit; "
                "raise the sysctl fs.file-max"
            ),
        ),
        (KeyError("process"), "'process'"),
    ],
)
async def test_what_the_operating_system_refuses_is_a_sentence_and_a_bug_is_a_traceback(error, sentence):
    """A node that is out of something needs no traceback; what has no meaning is a bug and needs one."""

    async def work() -> None:
        raise error

    supervisor = Supervisor()
    with capture_logs() as logs:
        await supervisor.wait_a_while("work", work(), 5)
    (failed,) = (line for line in logs if line["event"] == "background.failed")
    assert failed["error"] == sentence
    assert bool(failed.get("exc_info")) is isinstance(error, KeyError)
