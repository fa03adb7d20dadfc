"""What runs in the background ends with the daemon, and leaves nothing behind."""

from __future__ import annotations

import warnings

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
