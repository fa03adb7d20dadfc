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
    """``client.introspection``."""

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
        """Plugins that match any of ``filters`` (``type==io.containerd.snapshotter.v1``), all without one."""
        return list((await self._plugins(pb.PluginsRequest(filters=filters))).plugins)

    async def server(self) -> pb.ServerResponse:
        """UUID of the installation; pid and deprecations from 1.7 on."""
        return await self._server(Empty())

    async def plugin_info(self, plugin_type: str, plugin_id: str, options: Any | None = None) -> pb.PluginInfoResponse:
        """What one plugin says of itself, for example a runtime of its features; Unimplemented before 2.0."""
        return await self._plugin_info(pb.PluginInfoRequest(type=plugin_type, id=plugin_id, options=options))
