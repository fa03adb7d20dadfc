"""containerd.services.version.v1 of the fake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerd_client.api.containerd.services.version.v1 import version_pb2 as pb

if TYPE_CHECKING:
    from google.protobuf.empty_pb2 import Empty

    from tests.fakes.containerd.calls import Call


class Version:
    """The version that the fake was made with."""

    descriptor = pb.DESCRIPTOR.services_by_name["Version"]

    def __init__(self, version: str) -> None:
        self._version = version

    async def version(self, request: Empty, call: Call) -> pb.VersionResponse:
        """Return it."""
        del request, call
        return pb.VersionResponse(version=self._version, revision=f"{self._version}-fake")
