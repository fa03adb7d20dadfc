"""Where each block of the page is run, in which order, and on what kind of node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

FIRST_POD: Final = "A node and its first pod"
OFFLINE: Final = "Without network"
CONTENTS: Final = "What the package has"
CRICTL: Final = ("crictl ", "pod=", "container=", "cri-shim hops")
"""How commands begin that need crictl, or what it has made."""

DOWNLOADS: Final = ("apt update", "apt install containerd ")
"""How commands begin that a node need not run that has those packages."""
NOTHING_LEFT: Final = (
    "! find /etc /usr /var /run -xdev -name '*cri-shim*' -not -path '/var/lib/dpkg/*' -not -name 'cri-shim_*.deb'"
    " | grep ."
)
"""Nothing on the node has the name of the program but the package, wherever it was downloaded to."""
COMPILED: Final = "dpkg-deb --contents dist/cri-shim_*.deb | grep 'cri_shim/__pycache__/__init__'"
"""The package has bytecode, so that commands run by root write none among its files."""
CRI_IS_BACK: Final = "ctr plugins ls | grep -E '^io.containerd.(grpc.v1 +cri|cri.v1 +runtime) '"
"""The containerd that runs has its CRI plugin."""


@dataclass(frozen=True, slots=True)
class Visit:
    """Blocks that one person runs on one node, which is fresh.

    ``brings`` is what is carried to it: the checkout, or what earlier visits have left. ``online`` says that the node
    reaches the registries of packages, ``pods`` that it runs pods. ``before`` is what such a node has had done to it,
    ``after`` must hold in the end, and ``leaves`` is carried away.
    """

    name: str
    blocks: tuple[tuple[str, int], ...]
    brings: Literal["checkout", "package", "offline", "wheels"]
    online: bool = True
    pods: bool = False
    leaves: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


VISITS: Final = (
    Visit("try it", (("Try it", 1),), "checkout"),
    Visit("build the package", ((FIRST_POD, 1),), "checkout", leaves=("dist/*.deb",), after=(COMPILED,)),
    Visit(
        "a node and its first pod, until nothing is left",
        (*((FIRST_POD, number) for number in range(2, 6)), (CONTENTS, 1)),
        "package",
        pods=True,
        after=(NOTHING_LEFT, CRI_IS_BACK),
    ),
    Visit(
        "switch a node over, and back",
        (("Switch a node over, and back", 1), ("Switch a node over, and back", 2)),
        "package",
        pods=True,
        before=(
            "apt update",
            "apt install containerd runc containernetworking-plugins iptables ./cri-shim_*.deb",
            "install -d /etc/cni/net.d",
            "cp /usr/share/doc/cri-shim/examples/cni/10-cri-shim.conflist /etc/cni/net.d",
            "systemctl start containerd",
        ),
        after=(CRI_IS_BACK,),
    ),
    Visit(
        "collect for a node without network",
        ((OFFLINE, 1), (OFFLINE, 3)),
        "checkout",
        leaves=("offline/*.deb", "dist/wheels/*.whl"),
    ),
    Visit("install without network", ((OFFLINE, 2),), "offline", online=False),
    Visit(
        "install without network and Debian",
        ((OFFLINE, 4),),
        "wheels",
        online=False,
        before=("apt update", "apt install python3-venv"),
    ),
    Visit("without a package", (("Without a package", 1),), "checkout"),
)
"""All visits, in the order in which they need each other."""

NOT_RUN: Final = {("Under a kubelet", 1): "there is no kubelet in Debian"}
"""Blocks of the page that no visit has, and why."""
