"""containerd.services.leases.v1: leases keep new resources from being collected until something refers to them."""

from __future__ import annotations

import logging
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from google.protobuf.empty_pb2 import Empty

from containerd_client.api.containerd.services.leases.v1 import leases_pb2 as pb
from containerd_client.call import Unary
from containerd_client.errors import ContainerdError, NotFound
from containerd_client.options import call_options, detached_options

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from containerd_client.channel import Connection

_SERVICE = "containerd.services.leases.v1.Leases"
_EXPIRE_LABEL: Final = "containerd.io/gc.expire"
_RELEASE_SECONDS: Final = 10.0
_DAY_SECONDS: Final = 86400

log = logging.getLogger(__name__)


class Leases:
    """The leases service, reached as ``client.leases``."""

    def __init__(self, connection: Connection) -> None:
        self._create: Unary[pb.CreateRequest, pb.CreateResponse] = Unary(
            connection, f"{_SERVICE}/Create", pb.CreateResponse.FromString, check=self._check_created
        )
        self._delete: Unary[pb.DeleteRequest, Empty] = Unary(connection, f"{_SERVICE}/Delete", Empty.FromString)
        self._list: Unary[pb.ListRequest, pb.ListResponse] = Unary(
            connection, f"{_SERVICE}/List", pb.ListResponse.FromString
        )
        self._add_resource: Unary[pb.AddResourceRequest, Empty] = Unary(
            connection, f"{_SERVICE}/AddResource", Empty.FromString
        )
        self._delete_resource: Unary[pb.DeleteResourceRequest, Empty] = Unary(
            connection, f"{_SERVICE}/DeleteResource", Empty.FromString
        )
        self._list_resources: Unary[pb.ListResourcesRequest, pb.ListResourcesResponse] = Unary(
            connection, f"{_SERVICE}/ListResources", pb.ListResourcesResponse.FromString
        )
        self._left: set[str] = set()
        """Leases of ended blocks that could not be dropped because containerd was away."""

    async def create(self, lease_id: str = "", labels: Mapping[str, str] | None = None) -> pb.Lease:
        """Create a lease, with a random id if none is given; raises AlreadyExists."""
        # The id is chosen here and not by containerd, so that a retry finds the lease whose answer was lost.
        request = pb.CreateRequest(id=lease_id or _new_id(), labels=labels)
        return (await self._create(request)).lease

    async def delete(self, lease_id: str, *, sync: bool = False) -> None:
        """Drop a lease; with ``sync``, return only after the garbage collector has run. Raises NotFound."""
        await self._delete(pb.DeleteRequest(id=lease_id, sync=sync))

    async def add_resource(self, lease_id: str, resource_id: str, resource_type: str) -> None:
        """Add a resource to a lease; types are ``content``, ``ingests`` and ``snapshots/<snapshotter>``."""
        resource = pb.Resource(id=resource_id, type=resource_type)
        await self._add_resource(pb.AddResourceRequest(id=lease_id, resource=resource))

    async def delete_resource(self, lease_id: str, resource_id: str, resource_type: str) -> None:
        """Remove a resource from a lease."""
        resource = pb.Resource(id=resource_id, type=resource_type)
        await self._delete_resource(pb.DeleteResourceRequest(id=lease_id, resource=resource))

    async def list_resources(self, lease_id: str) -> list[pb.Resource]:
        """Return the resources that a lease holds; raises NotFound."""
        return list((await self._list_resources(pb.ListResourcesRequest(id=lease_id))).resources)

    async def list(self, *filters: str) -> list[pb.Lease]:
        """Return the leases that match any of ``filters``, or all if there are none."""
        return list((await self._list(pb.ListRequest(filters=filters))).leases)

    def hold(self, labels: Mapping[str, str] | None = None, *, expire_seconds: float = _DAY_SECONDS) -> HeldLease:
        """Make all calls of a block under a new lease: ``async with client.leases.hold() as lease:``.

        The lease is dropped at the end of the block, even if the block fails or is cancelled. If dropping it fails,
        :meth:`drop_left` or the end of the next block drops it; as a last resort containerd itself does,
        ``expire_seconds`` from now.
        """
        expires = datetime.now(UTC) + timedelta(seconds=expire_seconds)
        return HeldLease(self, {**(labels or {}), _EXPIRE_LABEL: expires.strftime("%Y-%m-%dT%H:%M:%SZ")})

    async def drop(self, lease_id: str) -> bool:
        """Drop a lease whose block has ended; if that fails now, remember it for :meth:`drop_left`."""
        self._left.add(lease_id)
        # The block's deadline may have passed already, so dropping the lease has a deadline of its own.
        with detached_options(), call_options(timeout=_RELEASE_SECONDS):
            try:
                await self.delete(lease_id)
            except NotFound:
                pass
            except ContainerdError as failure:
                log.warning("lease %s was not dropped and will be tried again later: %s", lease_id, failure)
                return False
        self._left.discard(lease_id)
        return True

    async def drop_left(self) -> None:
        """Drop the leases that could not be dropped when their blocks ended, because containerd was away."""
        for lease_id in tuple(self._left):
            if not await self.drop(lease_id):
                return

    async def _check_created(self, request: pb.CreateRequest) -> pb.CreateResponse | None:
        for lease in await self.list(f"id=={request.id}"):
            if lease.id == request.id and lease.labels == request.labels:
                return pb.CreateResponse(lease=lease)
        return None


def _new_id() -> str:
    return f"client-{secrets.token_hex(12)}"


class HeldLease:
    """The context manager that :meth:`Leases.hold` returns."""

    def __init__(self, leases: Leases, labels: Mapping[str, str]) -> None:
        self._leases = leases
        self._labels = labels
        self._lease_id = _new_id()
        self._options = call_options()

    async def __aenter__(self) -> pb.Lease:
        maybe_made = True
        lease = None
        try:
            lease = await self._leases.create(self._lease_id, self._labels)
        except ContainerdError as failure:
            maybe_made = not failure.never_sent
            raise
        finally:
            # A create that was cancelled or whose answer was lost may have made the lease nevertheless.
            if lease is None and maybe_made:
                await self._drop()
        self._options = call_options(lease=lease.id)
        self._options.__enter__()
        return lease

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._options.__exit__(kind, error, at)
        await self._drop()

    async def _drop(self) -> None:
        if await self._leases.drop(self._lease_id):
            await self._leases.drop_left()
