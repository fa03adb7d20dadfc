"""The word with the service manager, over a real datagram socket."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from cri_shim.daemon.sd_notify import Notifier
from tests.unit.virtual_time import virtual_time

__all__ = ["virtual_time"]


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """A socket such as systemd listens on, and its name as systemd passes it."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@cri-shim-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name[1:] if name.startswith("@") else name)
        listener.settimeout(20)
        yield listener, name


def test_each_word_arrives_as_systemd_reads_it(manager):
    """One datagram each, one KEY=value a line."""
    listener, name = manager
    notifier = Notifier(name)
    assert notifier.ready("serving on /run/x.sock")
    assert notifier.stopping()
    assert notifier.status("two\nlines")
    assert notifier.watchdog()
    assert [listener.recv(4096).decode() for _ in range(4)] == [
        "READY=1\nSTATUS=serving on /run/x.sock",
        "STOPPING=1",
        "STATUS=two lines",
        "WATCHDOG=1",
    ]


def test_a_reload_is_reported_with_its_time(manager, monkeypatch):
    """systemd compares it with the time of its own request, on the same clock."""
    listener, name = manager
    monkeypatch.setattr("time.monotonic_ns", lambda: 12_345_678)
    assert Notifier(name).reloading()
    assert listener.recv(4096).decode() == "RELOADING=1\nMONOTONIC_USEC=12345"


def test_the_environment_is_read_and_cleared(manager):
    """The variables tell the address and the watchdog's time, and children do not inherit them."""
    listener, name = manager
    environ = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid()), "HOME": "/"}
    notifier = Notifier.from_environment(environ)
    assert notifier.watchdog_seconds == 60.0
    assert environ == {"HOME": "/"}
    assert notifier.status("x")
    assert listener.recv(64) == b"STATUS=x"


@pytest.mark.parametrize(
    "environ",
    [
        {"WATCHDOG_USEC": "1000000"},
        {"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"},
        {"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "soon"},
        {"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "9" * 400},
        {"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "9" * 5000},
        {"NOTIFY_SOCKET": "vsock:2:1234", "WATCHDOG_USEC": "1000000"},
    ],
)
def test_a_watchdog_that_is_not_ours_is_left_alone(environ):
    """Without a socket, for another process, or unreadable: no signs of life."""
    assert Notifier.from_environment(environ).watchdog_seconds == 0.0


@pytest.mark.parametrize(("status", "shown"), [("x" * 100_000, b"x" * 1024), ("\u20ac" * 9000, b"\xe2\x82\xac" * 341)])
def test_a_long_status_is_cut(manager, status, shown):
    """Of a message beyond 4096 bytes systemd reads nothing: with a long reason the start would never be over."""
    listener, name = manager
    assert Notifier(name).ready(status)
    assert listener.recv(1 << 20) == b"READY=1\nSTATUS=" + shown + b"..."


async def test_a_watchdog_that_wants_more_than_there_is_time_for(manager):
    """The loop goes on with its work."""
    listener, name = manager
    feeding = asyncio.create_task(Notifier(name, watchdog_seconds=1e-6).feed_watchdog())
    await asyncio.sleep(0.095)
    feeding.cancel()
    listener.setblocking(False)
    received = 0
    with pytest.raises(BlockingIOError):
        while listener.recv(64):
            received += 1
    assert received == 10


async def test_signs_of_life_come_twice_as_often_as_asked(manager):
    """The loop feeds the watchdog until it is cancelled."""
    listener, name = manager
    feeding = asyncio.create_task(Notifier(name, watchdog_seconds=0.2).feed_watchdog())
    await asyncio.sleep(0.35)
    feeding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await feeding
    listener.setblocking(False)
    received = []
    with pytest.raises(BlockingIOError):
        while True:
            received.append(listener.recv(64))
    assert received == [b"WATCHDOG=1"] * 4


async def test_feeding_ends_at_once_when_not_asked_for():
    """Outside of systemd the task is simply over."""
    await asyncio.wait_for(Notifier().feed_watchdog(), 20)


def test_a_missing_manager_is_no_error(tmp_path):
    """Nothing listens, or nothing is named: the daemon goes on."""
    assert Notifier().ready() is False
    assert Notifier(str(tmp_path / "gone")).ready() is False
    assert Notifier("/" + "x" * 200).ready() is False
