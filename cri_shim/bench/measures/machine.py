"""Record the machine and its programs, without which a figure means nothing."""

from __future__ import annotations

import asyncio
import os
import platform
import re
import subprocess
from pathlib import Path

import grpc

from cri_shim.bench.results.schema import Machine

_MIB_IN_KIB = 1024


def read_machine(oci_runtime: str = "runc") -> Machine:
    """Describe this machine and the OCI runtime of its sides; what cannot be found out stays empty."""
    return Machine(
        kernel=f"{platform.system()} {platform.release()}",
        distribution=_match(r'^PRETTY_NAME="?([^"\n]*)', Path("/etc/os-release")),
        cpu=_match(r"^model name\s*: (.*)$", Path("/proc/cpuinfo")),
        cores=os.cpu_count() or 0,
        memory_mib=int(_match(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo")) or 0) // _MIB_IN_KIB,
        cgroups="v2" if Path("/sys/fs/cgroup/cgroup.controllers").exists() else "v1",
        boot_id=Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        runc=_first_line(oci_runtime, "--version"),
        python=platform.python_version(),
        grpc=grpc.__version__,
        event_loop=type(asyncio.get_event_loop_policy()).__module__.split(".")[0],
    )


def _match(pattern: str, path: Path) -> str:
    if not path.exists():
        return ""
    match = re.search(pattern, path.read_text(errors="replace"), re.MULTILINE)
    return match[1].strip() if match else ""


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.partition("\n")[0]
