"""The error while the daemon is not ready: what it waits for, at the start and after a break."""

from __future__ import annotations

import pytest

from cri_shim.errors import UnavailableError
from cri_shim.sync.readiness import Readiness


def error_of(readiness: Readiness) -> str:
    """The error of a request."""
    with pytest.raises(UnavailableError) as raised:
        readiness.require()
    return str(raised.value)


def test_the_steps_of_a_start():
    """Each step is named while it is waited for; the first sentence is the plugin's."""
    readiness = Readiness()
    assert error_of(readiness) == "server is not initialized yet"
    readiness.set_step("reading images from containerd")
    assert error_of(readiness) == "server is not initialized yet: it is reading images from containerd"
    readiness.set_ready("1.6.20")
    readiness.set_step("doing something else")
    readiness.require()


def test_the_steps_after_a_break():
    """A containerd that is away is named until it is back, and then what is read of it."""
    readiness = Readiness()
    readiness.set_ready()
    readiness.set_away("containerd is away: gone")
    assert error_of(readiness) == "containerd is away: gone"
    readiness.set_step("reading pods and containers from containerd")
    assert error_of(readiness) == "containerd is back: reading pods and containers from containerd"
