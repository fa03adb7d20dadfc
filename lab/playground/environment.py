"""Write what a shell needs to work with the playground: ``source .demo/env``.

``crictl``, ``ctr`` and ``cri-shim`` then speak to the node without further options, by the environment variables that
they read themselves, or by a small program that is first on PATH.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from lab.containerd import toml
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
_FUNCTIONS = """\
# Run each command of the table in docs/crictl.md.
every_command() {{ env PYTHONPATH={here} {python} -m lab.lesson.command_table; }}
# The id of the container with this name: crictl logs $(container web)
container() {{ crictl ps --quiet --name "$1"; }}
# The process of a container or pod: ls -l /proc/$(pid_of $(container web))/ns
pid_of() {{ ctr tasks list | awk -v id="$1" '$1 == id {{ print $2 }}'; }}
daemon_pid() {{ pgrep -f "^[^ ]*python[^ ]* {daemon}"; }}
containerd_pid() {{ pgrep -f "^{containerd}$"; }}
until_ready() {{ until crictl pods > /dev/null 2>&1; do sleep 0.1; done; }}
# In shells of their own: an interactive shell prints a line when a job of its own starts, and one when it ends.
start_daemon() {{ ({environment} setsid {daemon} "$@" >> {log} 2>&1 &); until_ready; }}
run_containerd() {{ ({containerd_environment} setsid {containerd} >> {containerd_log} 2>&1 &); }}
start_containerd() {{ run_containerd; until_ready; }}
# Restart the daemon behind a socket on which everything that it sends to containerd is late by some milliseconds.
slow_hops() {{
    end_slow_socket; stop $(daemon_pid)
    (env PYTHONPATH={here} setsid \\
        {python} -m lab.faults.slow_socket $NODE/slow.sock $CONTAINERD_ADDRESS $1 > /dev/null 2>&1 &)
    while ! test -S $NODE/slow.sock; do sleep 0.1; done
    start_daemon --containerd-address $NODE/slow.sock
}}
fast_hops() {{ end_slow_socket; stop $(daemon_pid); start_daemon; }}
end_slow_socket() {{ pkill -f "slow_socket $NODE/slow.sock"; rm -f $NODE/slow.sock; }}
stop() {{ kill $1 && while kill -0 $1 2> /dev/null; do sleep 0.1; done; }}
# Restart containerd with its own CRI plugin instead of the daemon, and the other way round. Pods keep running.
swap_to_plugin() {{
    stop $(daemon_pid); stop $(containerd_pid); cp {with_plugin} {in_use}
    export CONTAINER_RUNTIME_ENDPOINT=unix://$CONTAINERD_ADDRESS IMAGE_SERVICE_ENDPOINT=unix://$CONTAINERD_ADDRESS
    start_containerd
}}
swap_to_daemon() {{
    stop $(containerd_pid); cp {without_plugin} {in_use}
    run_containerd; until ctr version > /dev/null 2>&1; do sleep 0.1; done
    export CONTAINER_RUNTIME_ENDPOINT={endpoint} IMAGE_SERVICE_ENDPOINT={endpoint}
    start_daemon
}}
"""


def write_environment(lab: Lab, sides: Mapping[str, Lab], engine: DockerEngine | None) -> None:
    """Write the file and the programs; a playground with more sides has more variables."""
    BIN.mkdir(exist_ok=True)
    program, config = lab.bridge.daemon.command[0], lab.bridge.config_file
    _script("cri-shim", _CRI_SHIM.format(program=shlex.quote(program), config=shlex.quote(str(config))))
    if shutil.which("crictl") is None:
        here = f"PYTHONPATH={shlex.quote(str(DEMO.parent))} exec {shlex.quote(sys.executable)}"
        _script("crictl", f'#!/bin/sh\n{here} -m lab.cri "$@"\n')
    # crictl's own limit of 2 s is too short for a pod's start, and without a file it warns that it has none.
    (DEMO / "crictl.yaml").write_text("timeout: 60\n", encoding="utf-8")
    variables = {
        "NODE": str(DEMO),
        "CONTAINER_RUNTIME_ENDPOINT": lab.endpoint,
        "IMAGE_SERVICE_ENDPOINT": lab.endpoint,
        "CRI_CONFIG_FILE": str(DEMO / "crictl.yaml"),
        "CONTAINERD_ADDRESS": lab.containerd.address,
        "CONTAINERD_NAMESPACE": "k8s.io",
        "IMAGE": lab.busybox,
    }
    for name, side in sides.items():
        variables |= {f"{name.upper()}_ENDPOINT": side.endpoint, f"{name.upper()}_CONTAINERD": side.containerd.address}
    path = f"{BIN}:$PATH"
    if engine is not None:
        variables["DOCKER_HOST"] = engine.host
        path = f"{BIN}:{shlex.quote(engine.program.rpartition('/')[0])}:$PATH"
    daemon, containerd = lab.bridge.daemon, lab.containerd.daemon
    with_plugin, without_plugin, in_use = _configurations(lab)
    functions = _FUNCTIONS.format(
        endpoint=lab.endpoint,
        here=shlex.quote(str(DEMO.parent)),
        python=shlex.quote(sys.executable),
        with_plugin=with_plugin,
        without_plugin=without_plugin,
        in_use=in_use,
        daemon=shlex.join(daemon.command),
        environment=_assignments(daemon.environment),
        containerd_environment=_assignments(containerd.environment),
        log=shlex.quote(str(daemon.log)),
        containerd=shlex.join(containerd.command),
        containerd_log=shlex.quote(str(containerd.log)),
    )
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    ENVIRONMENT.write_text("\n".join([*lines, f"export PATH={path}", functions]), encoding="utf-8")


def _assignments(environment: Mapping[str, str]) -> str:
    return " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())


def _configurations(lab: Lab) -> tuple[str, ...]:
    """Write containerd's configuration with its CRI plugin beside that without; return both, and the one in use."""
    in_use = lab.containerd.directory / "config.toml"
    with_plugin, without_plugin = in_use.with_name("with-plugin.toml"), in_use.with_name("without-plugin.toml")
    with_plugin.write_text(toml(replace(lab.containerd, cri_plugin=True).configuration()), encoding="utf-8")
    shutil.copyfile(in_use, without_plugin)
    return tuple(shlex.quote(str(path)) for path in (with_plugin, without_plugin, in_use))


def _script(name: str, text: str) -> None:
    (BIN / name).write_text(text, encoding="utf-8")
    (BIN / name).chmod(0o755)
