"""The program of the sandbox image: a PID 1 that waits, reaps, and exits on SIGTERM, a page of C compiled on demand.

The environment variable LAB_PAUSE names one that was compiled elsewhere, for a machine without a compiler.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

PAUSE_C = r"""
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void leave(int signal_number) { _exit(signal_number == SIGTERM || signal_number == SIGINT ? 0 : 1); }
static void reap(int signal_number) { (void)signal_number; while (waitpid(-1, 0, WNOHANG) > 0) {} }

int main(void) {
    struct sigaction on_leave = {.sa_handler = leave}, on_child = {.sa_handler = reap, .sa_flags = SA_NOCLDSTOP};
    sigaction(SIGTERM, &on_leave, 0);
    sigaction(SIGINT, &on_leave, 0);
    sigaction(SIGCHLD, &on_child, 0);
    for (;;) pause();
}
"""


def pause_program() -> bytes | None:
    """Return the static executable; None if there is neither a compiled one nor a compiler."""
    if compiled := os.environ.get("LAB_PAUSE"):
        return Path(compiled).read_bytes()
    if shutil.which("gcc") is None:
        return None
    with tempfile.TemporaryDirectory(prefix="pause-") as directory:
        source, program = Path(directory, "pause.c"), Path(directory, "pause")
        source.write_text(PAUSE_C)
        subprocess.run(["gcc", "-static", "-Os", "-s", "-o", program, source], check=True, capture_output=True)
        return program.read_bytes()
