"""Have containerd pull: its Transfer service (1.7 and later) resolves, fetches and unpacks inside the daemon.

The client's part is to describe the image, hold a lease, supply logins on a stream beside the call, and watch the
progress. The service's code is in containerd/core/transfer.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from google.protobuf.any_pb2 import Any

from containerd_client.api.containerd.services.snapshots.v1 import snapshots_pb2
from containerd_client.api.containerd.types import types_pb2
from containerd_client.api.containerd.types.transfer import transfer_pb2 as pb
from containerd_client.distribution.contents import read_contents
from containerd_client.distribution.progress import LEAST, Progress
from containerd_client.distribution.registries.credentials import as_bytes
from containerd_client.distribution.registries.hosts import directory_of, is_loopback
from containerd_client.distribution.transfer_errors import cause_of
from containerd_client.distribution.values.errors import ManifestError, NotInRegistryError
from containerd_client.distribution.values.manifest import Descriptor
from containerd_client.errors import ContainerdError, NotFound, Unimplemented, Unknown
from containerd_client.options import call_options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from google.protobuf.message import Message

    from containerd_client import Containerd
    from containerd_client.distribution.contents import ImageContents
    from containerd_client.distribution.pull import PullOptions
    from containerd_client.distribution.registries.credentials import Credentials
    from containerd_client.distribution.unpack import Unpacker
    from containerd_client.distribution.values.reference import Reference
    from containerd_client.duplex import Conversation

POLLS = 4
"""Number of progress checks within the time limit."""
POLL_SECONDS = 10.0


class TransferPull:
    """Pulls by containerd; ``config_path`` lists directories of HOST/hosts.toml, one of which containerd receives."""

    def __init__(self, client: Containerd, unpacker: Unpacker, config_path: Sequence[Path]) -> None:
        self._client = client
        self._unpacker = unpacker
        self._config_path = config_path

    async def serves(self, reference: Reference) -> bool:
        """Return whether the service can pull this as configured; that of 1.7 lacks hosts.toml and plain HTTP."""
        if not (await self._client.version.get()).version.lstrip("v").startswith("1."):
            return True
        return not is_loopback(reference.domain) and await self._directory(reference) is None

    async def _directory(self, reference: Reference) -> Path | None:
        return await asyncio.to_thread(directory_of, reference.domain, self._config_path)

    async def pull(
        self,
        reference: Reference,
        credentials: Credentials,
        lease: str,
        options: PullOptions,
        labels: Mapping[str, str],
        *,
        digest: str = "",
    ) -> ImageContents:
        """Pull one image and create its record for this reference, with ``labels``.

        With ``digest``, that digest is fetched, whatever the reference points at by now. The caller must be inside
        ``call_options(lease=lease)``. Raises :class:`DistributionError`, or a ContainerdError with the error that
        containerd encountered.
        """
        platform = types_pb2.Platform(
            os=options.platform.os, architecture=options.platform.architecture, variant=options.platform.variant
        )
        unpack = pb.UnpackConfiguration(platform=platform, snapshotter=options.snapshotter)
        store = pb.ImageStore(name=str(reference), labels=labels, platforms=[platform], unpacks=[unpack])
        async with self._answering(credentials) as stream:
            directory = await self._directory(reference)
            resolver = pb.RegistryResolver(
                auth_stream=stream,
                host_dir=str(directory.parent) if directory else "",
                # Without this, containerd tries TLS first with a loopback registry.
                default_scheme="http" if directory is None and is_loopback(reference.domain) else "",
            )
            wanted = f"{reference}@{digest}" if digest and not reference.digest else str(reference)
            source = pb.OCIRegistry(reference=wanted, resolver=resolver)
            try:
                await self._watched(source, store, options)
            except NotFound as error:
                raise NotInRegistryError(error.detail) from error
            except (Unimplemented, Unknown) as error:
                meant = cause_of(error)
                if meant is None:
                    raise
                raise meant from error
        contents = await self._contents(str(reference), options)
        if not await self._unpacker.present(options.snapshotter, contents.chain_id):
            for number in range(len(contents.chains)):
                await self._unpacker.layer(options.snapshotter, contents, number, lease)
        return contents

    async def _contents(self, name: str, options: PullOptions) -> ImageContents:
        """Read the image that containerd pulled; if it is not an image, delete the record that containerd kept."""
        record = await self._client.images.get(name)
        try:
            return await read_contents(self._client, Descriptor.of(record.target), options.platform)
        except ManifestError:
            with suppress(NotFound):
                await self._client.images.delete(name)
            raise

    async def _watched(self, source: Message, store: Message, options: PullOptions) -> None:
        """Make the call, and cancel it when the pull stops making progress."""
        progress = Progress(f"transfer of {store.name}", options.progress_timeout)  # type: ignore[attr-defined]
        call = asyncio.create_task(self._client.transfer.transfer(packed(source), packed(store)))
        try:
            before = None
            while not (await asyncio.wait({call}, timeout=progress.limit / POLLS or None))[0]:
                seen = await self._seen(options.snapshotter)
                if seen is not None and seen != before:
                    before = seen
                    progress.moved(LEAST)
                progress.check("nothing arrives and nothing is extracted")
            call.result()
        finally:
            if not call.done():
                call.cancel()
                await asyncio.wait({call})

    async def _seen(self, snapshotter: str) -> object:
        """Return a value that changes whenever bytes or files have moved; None if it cannot be determined."""
        try:
            with call_options(timeout=POLL_SECONDS):
                ingests = await self._client.content.list_statuses()
                snapshots = self._client.snapshots(snapshotter)
                infos = await snapshots.list()
                making = [info.name for info in infos if info.kind == snapshots_pb2.ACTIVE and "extract" in info.name]
                grown = [await snapshots.usage(name) for name in making]
        except ContainerdError:
            return None
        return sorted((one.ref, one.offset) for one in ingests), sorted(info.name for info in infos), grown

    @asynccontextmanager
    async def _answering(self, credentials: Credentials) -> AsyncIterator[str]:
        """Answer login requests during the block; yields the stream's name, empty if there are no credentials."""
        if not credentials:
            yield ""
            return
        name = f"cri-shim-auth-{secrets.token_hex(8)}"
        conversation = await self._client.streaming.open(name)
        answering = asyncio.create_task(_answer(conversation, credentials))
        try:
            yield name
        finally:
            answering.cancel()
            await asyncio.wait({answering})
            conversation.close()


async def _answer(conversation: Conversation[Any, Any], credentials: Credentials) -> None:
    while (question := await conversation.receive()) is not None:
        asked = pb.AuthRequest.FromString(question.value)
        await conversation.send(packed(response_for(asked.host, credentials)))


def response_for(host: str, credentials: Credentials) -> pb.AuthResponse:
    """Return the answer to containerd for one host; empty for a host that the credentials are not for."""
    if not credentials.fit(host):
        return pb.AuthResponse(authType=pb.NONE)
    if credentials.username:
        # The message cannot contain bytes that are not UTF-8; containerd then sends a different password.
        name, secret = (
            as_bytes(text).decode("utf-8", "replace") for text in (credentials.username, credentials.password)
        )
        return pb.AuthResponse(authType=pb.CREDENTIALS, username=name, secret=secret)
    if credentials.identity_token:
        return pb.AuthResponse(authType=pb.REFRESH, secret=credentials.identity_token)
    return pb.AuthResponse(authType=pb.HEADER, secret=f"Bearer {credentials.registry_token}")


def packed(message: Message) -> Any:
    """Return the message in an Any whose type URL is that of Go's typeurl package: only the name."""
    return Any(type_url=message.DESCRIPTOR.full_name, value=message.SerializeToString())
