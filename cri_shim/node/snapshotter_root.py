"""Find the directory of a snapshotter, which ImageFsInfo names: the kubelet asks that directory for its capacity.

Some snapshotters export their root in containerd's introspection; others (native in 1.6, proxies) do not. Those are
below containerd's own root, which other plugins export. A directory that does not exist would be of no use to the
kubelet.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from containerd_client.api.containerd.services.introspection.v1.introspection_pb2 import Plugin

PLUGIN_TYPE = "io.containerd.snapshotter.v1"
USUAL_ROOT = "/var/lib/containerd"


def existing_root(plugins: Iterable[Plugin], snapshotter: str) -> str:
    """Return the first of :func:`candidates` that is a directory, ``/`` if none is.

    Blocking.
    """
    return next((place for place in candidates(plugins, snapshotter) if os.path.isdir(place)), "/")  # noqa: PTH112


def candidates(plugins: Iterable[Plugin], snapshotter: str) -> tuple[str, ...]:
    """Return the directories where the snapshotter may have its files, best first."""
    directories: list[str] = []
    roots: list[str] = []
    for plugin in plugins:
        root = plugin.exports.get("root", "").rstrip("/")
        parent, name = os.path.split(root)
        if plugin.type == PLUGIN_TYPE and plugin.id == snapshotter and root:
            directories.append(root)
        elif name == f"{plugin.type}.{plugin.id}":
            roots.append(parent)
    for containerd_root in (*roots, USUAL_ROOT):
        directories += [f"{containerd_root}/{PLUGIN_TYPE}.{snapshotter}", containerd_root]
    return tuple(dict.fromkeys(directories))
