"""Recognise containerd's own CRI plugin, the other possible owner of the pods in its namespace.

Up to 1.7 it is one plugin. In 2.x the same name is the server, and two further plugins hold what it works with; these
do nothing by themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from containerd_client.api.containerd.services.introspection.v1.introspection_pb2 import Plugin

NAMESPACE: Final = "k8s.io"
"""The only namespace that the plugin uses."""
FILTER: Final = "id==cri"
"""Selects the plugin in Introspection/Plugins."""
NAMES: Final = (
    "io.containerd.grpc.v1.cri",
    "io.containerd.cri.v1.runtime",
    "io.containerd.cri.v1.images",
    "io.containerd.podsandbox.controller.v1.podsandbox",
)
"""What ``disabled_plugins`` has to contain in containerd's configuration; a version ignores names it does not know."""

_SERVER: Final = ("io.containerd.grpc.v1", "cri")


def serves_pods(plugins: Iterable[Plugin]) -> bool:
    """Return whether the plugin is loaded and serves pods."""
    return any((plugin.type, plugin.id) == _SERVER and not plugin.HasField("init_err") for plugin in plugins)
