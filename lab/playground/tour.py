"""Say what runs in the playground, and what to look at in the first minute."""

from __future__ import annotations

import shlex
import shutil
import sys
from typing import TYPE_CHECKING

from lab.docker import NAMESPACE
from lab.playground.place import DEMO

if TYPE_CHECKING:
    from lab.docker import DockerEngine
    from lab.lab import Lab

WHAT = {"plugin": "containerd with its own CRI plugin", "pinned": "pods without a pause process"}


def tour(lab: Lab, page: str, sides: dict[str, Lab], engine: DockerEngine | None) -> str:
    """Return the text for a terminal."""
    daemon = shlex.join(lab.bridge.daemon.command)
    own = shlex.quote(lab.bridge.daemon.command[0])
    # With several daemons on the machine these commands ask which one is meant.
    which = f" --config {shlex.quote(str(lab.bridge.config_file))}" if "pinned" in sides else ""
    ctr = f"ctr -a {lab.containerd.address}"
    lines = [
        "",
        "The node is up.",
        f"  page         {page}  (the same address after every restart of the daemon)",
        f"  endpoint     {lab.endpoint}",
        f"  daemon       pid {lab.bridge.daemon.pid}, log {lab.bridge.daemon.log}",
        f"  containerd   pid {lab.containerd.daemon.pid}, socket {lab.containerd.address}",
        f"  registry     {lab.images.address}",
        "",
        "One minute:",
        f"  {crictl(lab.endpoint)} pods",
        f"  {crictl(lab.endpoint)} logs asker    # one container asks the other on localhost",
        f"  {own} explain{which} StartContainer    # the last one, hop by hop, and what each hop is for",
        f"  {own} hops{which}    # what all requests cost so far, and the extra hop of it",
        "  the page above: the same, live; click on a request",
        f"  kill -9 {lab.bridge.daemon.pid}; {ctr} -n k8s.io tasks list    # no daemon, and the pod runs",
        f"  {daemon} &",
    ]
    for name, side in sides.items():
        lines += ["", f"Beside it, {WHAT[name]}; the same image and the same chain of network plugins:"]
        lines += [f"  {crictl(side.endpoint)} pods", f"  ctr -a {side.containerd.address} -n k8s.io tasks list"]
    if engine is not None:
        lines += [
            "",
            "Beside it, Docker Engine on the node's own containerd, with a container of the same image and no network:",
            f"  DOCKER_HOST={engine.host} {shlex.quote(engine.program)} ps",
            f"  {ctr} namespaces list    # {NAMESPACE} is Docker's, k8s.io has the pods",
        ]
    lines += ["", "`make down` ends all of it.", ""]
    return "\n".join(lines)


def crictl(endpoint: str) -> str:
    """Return the beginning of a crictl command; without crictl, that of the lab's own small one."""
    if shutil.which("crictl"):
        return f"crictl --runtime-endpoint {endpoint}"
    default = endpoint == f"unix://{DEMO / 'bridge' / 'cri-shim.sock'}"
    return f"{shlex.quote(sys.executable)} -m lab.cri" + ("" if default else f" --endpoint {endpoint}")
