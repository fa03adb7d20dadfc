"""How the command ends: without a traceback, with a code that says what happened."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal

import pytest

from cri_shim import cli
from cri_shim.config import Config
from cri_shim.wipe import command


@pytest.fixture
def ended(monkeypatch, tmp_path):
    """Run the command with another body; return its exit code."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(command, "other_daemon", lambda *_: "")
    config = Config(root=f"{tmp_path}/root", state=f"{tmp_path}/state", socket_path=f"{tmp_path}/s.sock")

    def run(body) -> int:
        monkeypatch.setattr(command, "_run", body)
        return command.run(argparse.Namespace(yes=True, output="text"), config, cli._settings)

    return run


def test_an_interrupt(ended, capsys):
    """It says how to go on."""

    async def body(*_: object) -> int:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(60)
        return 0

    assert ended(body) == 130
    assert capsys.readouterr().err == "interrupted; run the command again to see what is left\n"


def test_a_reader_that_has_gone(ended):
    """It is the business of the whole program, which says nothing of it."""

    async def body(*_: object) -> int:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        ended(body)


def test_a_daemon_elsewhere(ended, monkeypatch, capsys):
    """Nothing is looked at."""
    monkeypatch.setattr(command, "other_daemon", lambda *_: "--config /a.toml (process 1)")
    assert ended(None) == 1
    assert capsys.readouterr().err == (
        "another daemon may serve the same pods: --config /a.toml (process 1); stop it, and use its flags here\n"
    )
