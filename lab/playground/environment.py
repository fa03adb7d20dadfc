"""Write what a shell needs to work with the playground: ``source .demo/env``.

``crictl``, ``ctr`` and ``cri-shim`` then speak to the node without further options, by the environment variables that
they read themselves, or by a small program that is first on PATH.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from typing import TYPE_CHECKING

from lab.playground.place import DEMO

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.docker import DockerEngine
    from lab.lab import Lab

ENVIRONMENT = DEMO / "env"
BIN = DEMO / "bin"

_CRI_SHIM = """\
#!/bin/sh
# The commands that ask a daemon ask the one of the playground, also where several run.
case "$1" in
    hops|explain|status|doctor) command=$1; shift; exec {program} "$command" --config {config} "$@";;
esac
exec {program} "$@"
"""
_CONTAINER = """\
# The id of the container with this name: crictl logs $(container web)
container() { crictl ps --quiet --name "$1"; }
"""


def write_environment(lab: Lab, sides: Mapping[str, Lab], engine: DockerEngine | None) -> None:
    """Write the file and the programs; a playground with more sides has more variables."""
    BIN.mkdir(exist_ok=True)
    program, config = lab.bridge.daemon.command[0], lab.bridge.config_file
    _script("cri-shim", _CRI_SHIM.format(program=shlex.quote(program), config=shlex.quote(str(config))))
    if shutil.which("crictl") is None:
        _script("crictl", f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m lab.cri "$@"\n')
    variables = {
        "NODE": str(DEMO),
        "CONTAINER_RUNTIME_ENDPOINT": lab.endpoint,
        "IMAGE_SERVICE_ENDPOINT": lab.endpoint,
        "CONTAINERD_ADDRESS": lab.containerd.address,
        "CONTAINERD_NAMESPACE": "k8s.io",
        "IMAGE": lab.busybox,
        "PYTHONPATH": str(DEMO.parent),
    }
    for name, side in sides.items():
        variables |= {f"{name.upper()}_ENDPOINT": side.endpoint, f"{name.upper()}_CONTAINERD": side.containerd.address}
    path = f"{BIN}:$PATH"
    if engine is not None:
        variables["DOCKER_HOST"] = engine.host
        path = f"{BIN}:{shlex.quote(engine.program.rpartition('/')[0])}:$PATH"
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    ENVIRONMENT.write_text("\n".join([*lines, f"export PATH={path}", _CONTAINER]), encoding="utf-8")


def _script(name: str, text: str) -> None:
    (BIN / name).write_text(text, encoding="utf-8")
    (BIN / name).chmod(0o755)
