"""Signals that reach the program before its event loop can handle them."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cri_shim.config.schema import Config
from cri_shim.daemon import daemon as daemon_module
from cri_shim.daemon import early_signals
from cri_shim.daemon.daemon import Daemon
from cri_shim.daemon.ignored_signals import IGNORED_SIGNALS

if TYPE_CHECKING:
    from collections.abc import Iterator

ENTRY = "import sys; from cri_shim.entry import main; sys.exit(main())"
REPEATED = (signal.SIGHUP, signal.SIGUSR1)


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Put back what handles the signals in this process."""
    numbers = (signal.SIGHUP, *IGNORED_SIGNALS)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def spared(pid: int) -> bool:
    """Return whether a process survives SIGHUP and SIGUSR1, because it catches or ignores them."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    masks = [int(line.split()[1], 16) for line in lines if line.startswith(("SigIgn:", "SigCgt:"))]
    return all(sum(masks) >> (number - 1) & 1 for number in REPEATED)


def test_signals_from_the_first_lines_on(tmp_path: Path) -> None:
    """They end neither the imports nor the reading of the configuration, whose mistake is printed all the same."""
    command = [sys.executable, "-c", ENTRY, "serve", "--config", str(tmp_path / "none.toml")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not spared(process.pid):
            time.sleep(0.001)
        assert process.poll() is None, "it has ended without handling the signals"
        assert process.stderr is not None
        while not select.select([process.stderr], [], [], 0.002)[0]:
            for number in REPEATED:
                process.send_signal(number)
        said = process.stderr.read()
    assert (process.returncode, said.strip()) == (1, f"{tmp_path / 'none.toml'}: file not found")


def test_other_commands_end_with_their_terminal() -> None:
    """Only the daemon survives a SIGHUP."""
    command = [sys.executable, "-c", f"import signal\n{ENTRY}", "config", "default"]
    hangup = "signal.getsignal(signal.SIGHUP) == signal.SIG_DFL"
    command[2] = command[2].replace("sys.exit(main())", f"main(); sys.exit(0 if {hangup} else 3)")
    assert subprocess.run(command, stdout=subprocess.DEVNULL, check=False, timeout=60).returncode == 0


@pytest.mark.parametrize("hung_up", [True, False])
async def test_a_reload_that_was_wanted_meanwhile(*, hung_up: bool) -> None:
    """The daemon makes up for it as soon as it can; a SIGHUP before the configuration was read means nothing."""
    with handlers_kept():
        early_signals.hold()
        os.kill(os.getpid(), signal.SIGHUP)
        assert early_signals.reload_wanted()
        if not hung_up:
            early_signals.hold()
        daemon = Daemon(Config(), Config)
        daemon._catch_signals()
        try:
            assert daemon._reload_wanted.is_set() is hung_up
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().remove_signal_handler(number)


async def test_no_moment_of_the_end_has_the_default_action(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal that comes between two steps of the shutdown would end the daemon with an exit code of its own."""
    given: list[object] = []
    real = signal.signal

    def noted(number: int, handler: Any) -> object:
        if number in (signal.SIGHUP, *IGNORED_SIGNALS):
            given.append(handler)
        return real(number, handler)

    with handlers_kept():
        daemon = Daemon(Config(), Config)
        daemon._catch_signals()
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.wait_for(daemon._reload_wanted.wait(), 10)
        monkeypatch.setattr(signal, "signal", noted)
        daemon_module._ignore_from_now_on()
        assert given == [signal.SIG_IGN] * (1 + len(IGNORED_SIGNALS))
        monkeypatch.undo()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().remove_signal_handler(number)
