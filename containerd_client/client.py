"""The client: one object per containerd, with one attribute for each of containerd's services."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from containerd_client.channel import Connection
from containerd_client.containers import Containers
from containerd_client.content import Content
from containerd_client.diff import Diff
from containerd_client.events import Events
from containerd_client.images import Images
from containerd_client.introspection import Introspection
from containerd_client.leases import Leases
from containerd_client.mounts import Mounts
from containerd_client.namespaces import Namespaces
from containerd_client.sandbox_controller import SandboxController
from containerd_client.sandboxes import Sandboxes
from containerd_client.snapshots import Snapshots, SnapshotService
from containerd_client.streaming import Streaming
from containerd_client.tasks import Tasks
from containerd_client.transfer import Transfer
from containerd_client.version import Version

if TYPE_CHECKING:
    from types import TracebackType

    from containerd_client.hops import OnCall, OnHop


class Containerd:
    """A client of the containerd at ``address`` (a path or a ``unix://`` URL).

    Every call uses ``namespace`` unless ``call_options`` sets another. ``on_hop`` receives a record of every call.
    ``on_call`` runs before each call and returns the ``traceparent`` to send with it. Create the client inside a
    running event loop and use it only there; it connects at the first call.
    """

    def __init__(
        self,
        address: str,
        *,
        namespace: str = "default",
        on_hop: OnHop | None = None,
        on_call: OnCall | None = None,
    ) -> None:
        connection = self._connection = Connection(address, namespace, on_hop, on_call)
        self.containers = Containers(connection)
        self.tasks = Tasks(connection)
        self.images = Images(connection)
        self.content = Content(connection)
        self.diff = Diff(connection)
        self.leases = Leases(connection)
        self.events = Events(connection)
        self.namespaces = Namespaces(connection)
        self.introspection = Introspection(connection)
        self.version = Version(connection)
        self.transfer = Transfer(connection)
        self.streaming = Streaming(connection)
        self.sandboxes = Sandboxes(connection)
        self.sandbox_controller = SandboxController(connection)
        self.mounts = Mounts(connection)
        self._snapshots = SnapshotService(connection)

    @property
    def namespace(self) -> str:
        """Return the namespace that calls use by default."""
        return self._connection.namespace

    @property
    def heard_at(self) -> float:
        """Return when containerd last answered a call, on the clock of ``time.perf_counter``; 0 if it never has."""
        return self._connection.heard_at

    def snapshots(self, name: str) -> Snapshots:
        """Return the snapshots of one snapshotter, for example ``overlayfs``."""
        return Snapshots(self._snapshots, name)

    async def close(self) -> None:
        """End all calls and close the connections; calls in flight raise ClientClosed."""
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        connection = self._connection
        return (
            f"<Containerd {connection.target} namespace={connection.namespace} "
            f"{connection.state()}, {connection.in_flight} calls in flight>"
        )
