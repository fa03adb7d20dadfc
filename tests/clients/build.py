"""Compile the C client."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("cri_client.c")
_HEADER = Path("/usr/include/nghttp2/nghttp2.h")
MISSING = "" if shutil.which("gcc") and _HEADER.exists() else "gcc or libnghttp2-dev is not installed"
"""Why the client cannot be compiled here; empty when it can."""


def build(directory: Path) -> Path:
    """Compile it into a directory; the program's path. Raises CalledProcessError, whose output says why."""
    program = directory / "cri_client"
    command = ["gcc", "-O2", "-Wall", "-Werror", "-o", str(program), str(SOURCE), "-lnghttp2"]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return program
