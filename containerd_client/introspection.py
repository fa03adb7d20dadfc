"""containerd.services.introspection.v1: which plugins are loaded and what they can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.empty_pb2 import Empty

from containerd_client.api.containerd.services.introspection.v1 import introspection_pb2 as pb
from containerd_client.call import Unary

if TYPE_CHECKING:
    from google.protobuf.any_pb2 import Any

    from containerd_client.channel import Connection

_SERVICE = "containerd.services.introspection.v1.Introspection"


class Introspection:
    """The introspection service, reached as ``client.introspection``."""

    def __init__(self, connection: Connection) -> None:
        self._plugins: Unary[pb.PluginsRequest, pb.PluginsResponse] = Unary(
            connection, f"{_SERVICE}/Plugins", pb.PluginsResponse.FromString
        )
        self._server: Unary[Empty, pb.ServerResponse] = Unary(
            connection, f"{_SERVICE}/Server", pb.ServerResponse.FromString
        )
        self._plugin_info: Unary[pb.PluginInfoRequest, pb.PluginInfoResponse] = Unary(
            connection, f"{_SERVICE}/PluginInfo", pb.PluginInfoResponse.FromString
        )

    async def plugins(self, *filters: str) -> list[pb.Plugin]:
        """Return the plugins that match any of ``filters`` (``type==io.containerd.snapshotter.v1``), or all."""
        return list((await self._plugins(pb.PluginsRequest(filters=filters))).plugins)

    async def server(self) -> pb.ServerResponse:
        """Return the UUID of the installation and, from 1.7 on, the daemon's pid and deprecations."""
        return await self._server(Empty())

    async def plugin_info(self, plugin_type: str, plugin_id: str, options: Any | None = None) -> pb.PluginInfoResponse:
        """Return what one plugin reports, such as a runtime's features; raises Unimplemented before 2.0."""
        return await self._plugin_info(pb.PluginInfoRequest(type=plugin_type, id=plugin_id, options=options))
