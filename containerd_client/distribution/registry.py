"""The requests to a registry: resolve a name, get a manifest, get a blob from some offset on.

OCI distribution spec. How a request gets there, and in, is in :mod:`.transport` and :mod:`.login`.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from containerd_client.distribution.credentials import ANONYMOUS, Credentials, strike_out
from containerd_client.distribution.errors import (
    CorruptBlobError,
    DistributionError,
    ManifestError,
    NotInRegistryError,
    RegistryUnavailableError,
    TransferError,
    UnauthorizedError,
)
from containerd_client.distribution.hosts import PULL, RESOLVE, Host
from containerd_client.distribution.login import Login, plain
from containerd_client.distribution.manifest import LARGEST_DOCUMENT, Descriptor, media_type_of
from containerd_client.distribution.media_types import ACCEPT, bare
from containerd_client.distribution.reference import is_digest
from containerd_client.distribution.retry_after import BUSY, wait_of
from containerd_client.distribution.transport import Transport, as_transfer_errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
    from contextlib import AbstractAsyncContextManager

    import aiohttp

    from containerd_client.distribution.reference import Reference

T = TypeVar("T")

DOCUMENT_TIMEOUT = 60.0
PATIENCE = 20.0
"""Seconds for which a host that says that it is busy is asked again, when it is about a small thing."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where an image comes from: its reference and the hosts that serve it, in order."""

    reference: Reference
    hosts: tuple[Host, ...]
    credentials: Credentials = ANONYMOUS
    logins: dict[str, Login] = field(default_factory=dict, compare=False, repr=False)
    """How far each host has let us in; filled by the requests."""
    answered: dict[str, str] = field(default_factory=dict, compare=False, repr=False)
    """Which host's URL the reference, or a digest, was had from; filled by the requests."""


@dataclass(frozen=True, slots=True)
class Body:
    """The rest of a blob: chunks of at most about 1 MiB; ``served_by`` is the host's URL."""

    chunks: AsyncIterator[bytes]
    served_by: str


class RegistryClient:
    """An HTTP client for any number of registries; one session, opened at the first request."""

    def __init__(self, *, user_agent: str = "cri-shim", patience: float = PATIENCE) -> None:
        self._patience = patience
        self._transport = Transport(user_agent)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def resolve(self, source: Source) -> Descriptor:
        """Ask what the reference points at: media type, digest and size of its manifest or index.

        HEAD, and GET where HEAD is refused or tells too little. Raises :class:`DistributionError`.
        """

        async def ask(host: Host) -> Descriptor:
            reference = source.reference
            path = f"{reference.path}/manifests/{reference.object}"
            async with self._get(
                host, source, path, method="HEAD", accept=ACCEPT, total_timeout=DOCUMENT_TIMEOUT
            ) as response:
                if response.status in BUSY:
                    raise TransferError(f"{host.base} answers {response.status}", wait_of(response.headers))
                found = _described(response, reference.digest) if response.status == 200 else None
            if found is not None:
                return found
            data, media_type = await self._document(host, source, path)
            digest = "sha256:" + hashlib.sha256(data).hexdigest()
            if reference.digest:
                _verify(data, reference.digest)
                digest = reference.digest
            return Descriptor(media_type_of(data, media_type), digest, len(data))

        return await self._first(source, RESOLVE, str(source.reference), ask)

    async def manifest(self, source: Source, wanted: Descriptor) -> bytes:
        """Get a manifest or an index, checked against size and digest."""

        async def ask(host: Host) -> bytes:
            data, _ = await self._document(host, source, f"{source.reference.path}/manifests/{wanted.digest}")
            _verify(data, wanted.digest, wanted.size)
            return data

        return await self._first(source, PULL, wanted.digest, ask)

    async def small_blob(self, source: Source, wanted: Descriptor) -> bytes:
        """Get a blob that fits into memory (an image configuration), checked against size and digest."""

        async def ask(host: Host) -> bytes:
            data, _ = await self._document(host, source, f"{source.reference.path}/blobs/{wanted.digest}")
            _verify(data, wanted.digest, wanted.size)
            return data

        if wanted.size > LARGEST_DOCUMENT:
            raise ManifestError(f"blob {wanted.digest} has {wanted.size} bytes, too many for an image configuration")
        return await self._first(source, PULL, wanted.digest, ask)

    @asynccontextmanager
    async def blob(
        self, source: Source, wanted: Descriptor, *, offset: int = 0, host: int = 0, read_timeout: float | None = None
    ) -> AsyncIterator[Body]:
        """Open a blob at ``offset``; ``host`` picks one of the hosts that may serve it (counted round and round).

        A server that ignores the range is read from its beginning and the known part dropped. Raises
        :class:`TransferError` where trying again may help, also from within the iteration over the chunks; no byte for
        ``read_timeout`` seconds is one such case. Nothing is verified here but the promised length.
        """
        serving = [one for one in source.hosts if PULL in one.capabilities]
        if not serving:
            raise RegistryUnavailableError(f"no host for {source.reference.domain} may serve blobs (capability pull)")
        one = serving[host % len(serving)]
        path = f"{source.reference.path}/blobs/{wanted.digest}"
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        async with self._get(one, source, path, headers=headers, read_timeout=read_timeout) as response:
            if response.status not in {200, 206}:
                raise await _failure(response, wanted.digest, self._login(one, source))
            rest = wanted.size - (offset if response.status == 206 else 0)
            if response.content_length is not None and response.content_length != rest:
                raise CorruptBlobError(
                    f"blob {wanted.digest}: {one.base} announces {response.content_length} bytes where the manifest "
                    f"promises {rest}"
                )
            yield Body(_chunks(response, offset if response.status == 200 else 0), one.base)

    async def _document(self, host: Host, source: Source, path: str) -> tuple[bytes, str]:
        async with self._get(host, source, path, accept=ACCEPT, total_timeout=DOCUMENT_TIMEOUT) as response:
            if response.status != 200:
                raise await _failure(response, str(source.reference), self._login(host, source))
            data = bytearray()
            async for chunk in response.content.iter_any():
                data += chunk
                if len(data) > LARGEST_DOCUMENT:
                    raise ManifestError(
                        f"{plain(str(response.url))} sends more than {LARGEST_DOCUMENT} bytes, too many for a manifest"
                    )
            return bytes(data), bare(response.headers.get("Content-Type", ""))

    async def _first(
        self, source: Source, capability: str, what: str, ask: Callable[[Host], Coroutine[Any, Any, T]]
    ) -> T:
        """Ask the hosts in order until one answers; the failure of the last one (the upstream) decides the error."""
        failures: list[DistributionError] = []
        for host in source.hosts:
            if capability not in host.capabilities:
                continue
            try:
                found = await _persistently(ask, host, self._patience)
            except DistributionError as error:
                failures.append(error)
            else:
                source.answered[what] = host.base
                return found
        if not failures:
            raise RegistryUnavailableError(f"no host for {source.reference.domain} has the capability {capability}")
        text = "; ".join(dict.fromkeys(str(failure) for failure in failures))
        kind = type(failures[-1]) if not isinstance(failures[-1], TransferError) else RegistryUnavailableError
        raise kind(f"{what}: {text}" if what not in text else text) from failures[-1]

    def _get(
        self,
        host: Host,
        source: Source,
        path: str,
        *,
        method: str = "GET",
        accept: str = "*/*",
        headers: Mapping[str, str] | None = None,
        read_timeout: float | None = DOCUMENT_TIMEOUT,
        total_timeout: float | None = None,
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self._transport.request(
            host,
            self._login(host, source),
            method,
            f"{host.base}/{path}",
            headers={"Accept": accept, **(headers or {})},
            query={"ns": source.reference.domain} if host.mirror else None,
            read_timeout=read_timeout,
            total_timeout=total_timeout,
        )

    def _login(self, host: Host, source: Source) -> Login:
        login = source.logins.get(host.base)
        if login is None:
            login = self._transport.login(host, source.reference.path, source.credentials)
            source.logins[host.base] = login
        return login


async def _persistently(ask: Callable[[Host], Coroutine[Any, Any, T]], host: Host, patience: float) -> T:
    """Repeat a small request while the server says that it is busy; one that cannot be reached is not asked again."""
    began = time.monotonic()
    pause = 0.0
    while True:
        try:
            return await ask(host)
        except TransferError as error:
            pause = max(error.wait, 2 * pause)
            if not error.wait or time.monotonic() - began + pause > patience:
                raise
        await asyncio.sleep(pause * random.uniform(1, 1.2))  # noqa: S311 - jitter


async def _chunks(response: aiohttp.ClientResponse, skip: int) -> AsyncIterator[bytes]:
    """Give a body from ``skip`` on; the reader gets a broken connection as an error, and keeps what came before."""
    chunks = response.content.iter_any()
    while True:
        with as_transfer_errors(f"GET {plain(str(response.url))}"):
            chunk = await anext(chunks, b"")
        if not chunk:
            return
        if skip >= len(chunk):
            skip -= len(chunk)
        elif skip:
            rest, skip = chunk[skip:], 0
            yield rest
        else:
            yield chunk


def _described(response: aiohttp.ClientResponse, digest: str) -> Descriptor | None:
    """Read the descriptor out of the headers of a HEAD response; None when they do not tell all of it."""
    told = response.headers.get("Docker-Content-Digest", "")
    media_type = bare(response.headers.get("Content-Type", ""))
    size = response.content_length
    if not is_digest(told) or not media_type or not size or (digest and told != digest):
        return None
    if media_type not in ACCEPT:
        return None
    return Descriptor(media_type, told, size)


async def _failure(response: aiohttp.ClientResponse, what: str, login: Login) -> DistributionError:
    """Return the error for a status that is no success."""
    server = plain(str(response.url.origin()))
    status = response.status
    if status in {401, 403}:
        return UnauthorizedError(f"{server} answers {status} for {what}: it wants a login, or the image does not exist")
    if status == 404:
        return NotInRegistryError(f"{what}: not found at {server}")
    if status in BUSY:
        return TransferError(f"{server} answers {status} for {what}", wait_of(response.headers))
    if status == 416:
        return CorruptBlobError(f"{server} has fewer bytes of {what} than the manifest promises")
    body = (await response.content.read(1000)).decode(errors="replace")
    detail = strike_out(body, login.secrets()).strip()[:200]
    return RegistryUnavailableError(f"{server} answers {status} for {what}: {detail!r}")


def _verify(data: bytes, digest: str, size: int | None = None) -> None:
    if size is not None and len(data) != size:
        raise CorruptBlobError(f"{digest} has {len(data)} bytes where {size} were promised")
    algorithm, _, value = digest.partition(":")
    if hashlib.new(algorithm, data).hexdigest() != value:
        raise CorruptBlobError(f"the bytes received for {digest} have another digest")
