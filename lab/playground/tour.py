"""Say what runs in the playground, and what to look at in the first minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.docker import NAMESPACE
from lab.playground.place import DEMO

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.docker import DockerEngine
    from lab.lab import Lab

BESIDE = {"plugin": "containerd with its own CRI plugin", "pinned": "pods without a pause process"}


def tour(lab: Lab, page: str, sides: Mapping[str, Lab], engine: DockerEngine | None) -> str:
    """Return the text for a terminal."""
    lines = [
        "",
        "The node is up.",
        f"  page         {page}  (the same address after every restart of the daemon)",
        f"  endpoint     {lab.endpoint}",
        f"  daemon       pid {lab.bridge.daemon.pid}, log {lab.bridge.daemon.log}",
        f"  containerd   pid {lab.containerd.daemon.pid}, socket {lab.containerd.address}",
        f"  registry     {lab.images.address}",
        "",
        "What one pod start costs, in the browser:",
        f'  {page}    # choose RunPodSandbox: "The hop cost …", and below it where the time went',
        "",
        "One minute, in a shell on this machine:",
        f"  source {DEMO / 'env'}    # crictl, ctr and cri-shim speak to this node from here on",
        "  crictl pods",
        "  crictl logs $(container asker)    # one container asks the other on localhost",
        "  cri-shim explain StartContainer    # the last one, hop by hop, and what each hop is for",
        "  cri-shim hops    # what all requests cost, by method; price is the share of the extra hop",
        f"  kill -9 {lab.bridge.daemon.pid}; ctr tasks list    # no daemon, and the pod runs",
        "  start_daemon; crictl pods    # it is back and knows the pod, but the bills of the old one are gone",
    ]
    for name, side in sides.items():
        lines += ["", f"Beside it, {BESIDE[name]}; the same image and the same chain of network plugins:"]
        lines += [f"  crictl --runtime-endpoint {side.endpoint} pods", f"  ctr -a {side.containerd.address} tasks list"]
    if engine is not None:
        lines += [
            "",
            "Beside it, Docker Engine on the node's own containerd, with a container of the same image and no network:",
            "  docker ps",
            f"  ctr namespaces list    # {NAMESPACE} is Docker's, k8s.io has the pods",
        ]
    lines += [
        "",
        "This daemon against containerd's own plugin, in the checkout; nothing else should run meanwhile:",
        '  make down; make compare ARGS="--scenario life,exec"    # two minutes, then open compare.html',
        "",
        "Ten exercises with this node: docs/lab/README.md; `make lab` walks through them.",
        "`make down` ends all of it.",
        "",
    ]
    return "\n".join(lines)
