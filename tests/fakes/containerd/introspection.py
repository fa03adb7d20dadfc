"""containerd.services.introspection.v1 of the fake."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from containerd_client.api.containerd.services.introspection.v1 import introspection_pb2 as pb
from containerd_client.api.containerd.types import types_pb2
from tests.fakes.containerd.filters import Filters
from tests.fakes.containerd.refusals import not_found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.any_pb2 import Any
    from google.protobuf.empty_pb2 import Empty

    from tests.fakes.containerd.backend import Backend
    from tests.fakes.containerd.calls import Call

UUID = "659f9b28-643c-4e22-a298-1256844249f9"
LINUX = types_pb2.Platform(os="linux", architecture="amd64")


class Introspection:
    """``listed`` holds the plugins, which a test may change: those that containerd's clients ask for."""

    descriptor = pb.DESCRIPTOR.services_by_name["Introspection"]

    def __init__(self, backend: Backend) -> None:
        self._version = backend.version
        self.plugin_list = _plugins(backend)
        self.extra: dict[tuple[str, str], Any] = {}
        """What PluginInfo says beyond the plugin, by type and id: for a runtime, its features."""
        self.deprecations: list[pb.DeprecationWarning] = []

    async def plugins(self, request: pb.PluginsRequest, call: Call) -> pb.PluginsResponse:
        """Return those that pass the filters."""
        del call
        filters = Filters(request.filters, said_twice=True)
        return pb.PluginsResponse(plugins=filters.select(self.plugin_list, _field))

    async def server(self, request: Empty, call: Call) -> pb.ServerResponse:
        """Return the identity; pid and deprecations since 1.7."""
        del request, call
        if self._version < (1, 7):
            return pb.ServerResponse(uuid=UUID)
        return pb.ServerResponse(uuid=UUID, pid=os.getpid(), pidns=4026531836, deprecations=self.deprecations)

    async def plugin_info(self, request: pb.PluginInfoRequest, call: Call) -> pb.PluginInfoResponse:
        """Return one plugin and what it says of itself."""
        del call
        for plugin in self.plugin_list:
            if (plugin.type, plugin.id) == (request.type, request.id):
                return pb.PluginInfoResponse(plugin=plugin, extra=self.extra.get((request.type, request.id)))
        raise not_found("plugin not found")


def _field(plugin: pb.Plugin, path: Sequence[str]) -> tuple[str, bool]:
    value = {"type": plugin.type, "id": plugin.id}.get(path[0], "")
    return value, bool(value)


def _plugins(backend: Backend) -> list[pb.Plugin]:
    root = backend.root
    remaps = ["remap-ids", "only-remap-ids"] if backend.version >= (2, 0) else []
    plugins = [
        pb.Plugin(
            type="io.containerd.content.v1",
            id="content",
            exports={"root": f"{root}/io.containerd.content.v1.content"},
        ),
        pb.Plugin(
            type="io.containerd.metadata.v1",
            id="bolt",
            exports={"path": f"{root}/io.containerd.metadata.v1.bolt/meta.db", "policy": "shared"},
        ),
        pb.Plugin(type="io.containerd.differ.v1", id="walking", platforms=[LINUX]),
        pb.Plugin(type="io.containerd.runtime.v2", id="task", platforms=[LINUX]),
        pb.Plugin(type="io.containerd.gc.v1", id="scheduler"),
        pb.Plugin(type="io.containerd.event.v1", id="exchange"),
    ]
    plugins += [
        pb.Plugin(
            type="io.containerd.snapshotter.v1",
            id=name,
            platforms=[LINUX],
            exports={"root": f"{root}/io.containerd.snapshotter.v1.{name}"},
            capabilities=remaps if name == "overlayfs" else [],
        )
        for name in backend.snapshotters
    ]
    return plugins
