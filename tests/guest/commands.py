"""Run a program of this machine, and say so when it cannot be run or fails."""

from __future__ import annotations

import subprocess

from tests.guest.errors import GuestError


def run(*command: str, stdin: str = "") -> str:
    """Standard output of a command; raises :class:`GuestError` with what it said when it fails or is not there."""
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise GuestError(f"{command[0]} is not installed") from error
    if done.returncode:
        raise GuestError(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout
