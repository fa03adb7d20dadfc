"""Make the requests to a registry: resolve a name, get a manifest, get a blob from an offset on.

The API is that of the OCI distribution spec. Connections are in :mod:`.transport`, authentication in :mod:`.login`.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from containerd_client.distribution.registries.credentials import ANONYMOUS, Credentials, strike_out
from containerd_client.distribution.registries.host_health import HostHealth, Rotation
from containerd_client.distribution.registries.hosts import PULL, RESOLVE, Host
from containerd_client.distribution.registries.ranges import is_usable, more_than_nothing, successful, without_first
from containerd_client.distribution.registries.retry_after import BUSY, wait_of
from containerd_client.distribution.registries.transport import Transport
from containerd_client.distribution.values.errors import (
    CorruptBlobError,
    DistributionError,
    ManifestError,
    NotHttpError,
    NotInRegistryError,
    OtherLengthError,
    RegistryUnavailableError,
    TransferError,
    UnauthorizedError,
)
from containerd_client.distribution.values.manifest import LARGEST_DOCUMENT, Descriptor, media_type_of
from containerd_client.distribution.values.media_types import ACCEPT, INDEXES, MANIFESTS, SCHEMA1, without_parameters
from containerd_client.distribution.values.reference import is_digest
from containerd_client.distribution.values.urls import UrlError, parse_url
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
    from contextlib import AbstractAsyncContextManager

    from containerd_client.distribution.registries.answer import Answer
    from containerd_client.distribution.registries.login import Login
    from containerd_client.distribution.values.reference import Reference

T = TypeVar("T")

DOCUMENT_TIMEOUT = 60.0
PATIENCE = 20.0
"""Seconds for which a small request is retried at the last host while that host says that it is busy."""
_NEVER_THE_RANGE = BUSY | {401, 404}
"""Statuses that have other causes than the range that was requested."""
LONGEST_DETAIL = 200
"""Characters of a server's own text that an error shows."""


@dataclass(frozen=True, slots=True)
class Source:
    """The source of an image: its reference and the hosts that serve it, in order."""

    reference: Reference
    hosts: tuple[Host, ...]
    credentials: Credentials = ANONYMOUS
    logins: dict[str, Login] = field(default_factory=dict, compare=False, repr=False)
    """The login at each host; the requests fill this in."""
    answered: dict[str, str] = field(default_factory=dict, compare=False, repr=False)
    """The URL of the host that served the reference or a digest; the requests fill this in."""
    failed: set[str] = field(default_factory=set, compare=False, repr=False)
    """URLs of mirrors that could not be reached or were busy in this pull; the requests fill this in."""


@dataclass(frozen=True, slots=True)
class Body:
    """The rest of a blob in chunks of at most 4 MiB; ``served_by`` is the host's URL.

    What a memoryview shows is overwritten when 4 MiB more have been yielded (:func:`large_body.taken`).
    """

    chunks: AsyncIterator[bytes | memoryview]
    served_by: str


class RegistryClient:
    """An HTTP client for any number of registries; one session, opened at the first request."""

    def __init__(self, *, user_agent: str = "cri-shim", patience: float = PATIENCE) -> None:
        self._patience = patience
        self._transport = Transport(user_agent)
        self._health = HostHealth()

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def resolve(self, source: Source) -> Descriptor:
        """Return the descriptor that the reference points at: media type, digest and size of its manifest or index.

        Uses HEAD, and GET if HEAD is refused or its answer is incomplete. Raises :class:`DistributionError`.
        """

        async def ask(host: Host) -> Descriptor:
            reference = source.reference
            path = f"{reference.path}/manifests/{reference.object}"
            with suppress(NotHttpError):  # a server that answers HEAD wrongly, say with a body, may handle GET
                answer = await self._head(host, source, path)
                if answer is not None:
                    return answer
            data, offered = await self._document(host, source, path)
            if not data:
                raise ManifestError(f"{host.base} sends an empty manifest")
            digest = "sha256:" + hashlib.sha256(data).hexdigest()
            if reference.digest:
                _verify(data, reference.digest)
                digest = reference.digest
            media_type = media_type_of(data, offered)
            if media_type not in INDEXES | MANIFESTS | SCHEMA1:  # for example a login page instead of an error
                raise ManifestError(
                    f"{host.base} sends '{escaped(media_type)}', which is not an image manifest or index"
                )
            return Descriptor(media_type, digest, len(data))

        return await self._first(source, RESOLVE, str(source.reference), ask)

    async def _head(self, host: Host, source: Source, path: str) -> Descriptor | None:
        """Return the descriptor from the headers of a manifest, or None if they are incomplete."""
        async with self._get(
            host, source, path, method="HEAD", accept=ACCEPT, total_timeout=DOCUMENT_TIMEOUT
        ) as response:
            if response.status in BUSY:
                raise TransferError(f"{host.base} answers {response.status}", wait_of(response.headers))
            return _described(response, source.reference.digest) if successful(response) else None

    async def manifest(self, source: Source, wanted: Descriptor) -> bytes:
        """Return a manifest or an index after checking its size and digest."""

        async def ask(host: Host) -> bytes:
            data, _ = await self._document(host, source, f"{source.reference.path}/manifests/{wanted.digest}")
            _verify(data, wanted.digest, wanted.size)
            return data

        return await self._first(source, PULL, wanted.digest, ask)

    async def small_blob(self, source: Source, wanted: Descriptor) -> bytes:
        """Return a blob that fits into memory (an image configuration) after checking its size and digest."""

        async def ask(host: Host) -> bytes:
            data, _ = await self._document(host, source, f"{source.reference.path}/blobs/{wanted.digest}")
            _verify(data, wanted.digest, wanted.size)
            return data

        if wanted.size > LARGEST_DOCUMENT:
            raise ManifestError(f"blob {wanted.digest} has {wanted.size} bytes, too many for an image configuration")
        return await self._first(source, PULL, wanted.digest, ask)

    def rotation(self, source: Source) -> Rotation:
        """Return the order of hosts for one blob; raises :class:`RegistryUnavailableError` if there are none."""
        serving = [one for one in source.hosts if PULL in one.capabilities]
        if not serving:
            raise RegistryUnavailableError(f"no host for {source.reference.domain} may serve blobs (capability pull)")
        return Rotation(serving, self._health, source.failed)

    @asynccontextmanager
    async def blob(
        self,
        source: Source,
        wanted: Descriptor,
        *,
        offset: int = 0,
        host: Host | None = None,
        url: str = "",
        read_timeout: float | None = None,
    ) -> AsyncIterator[Body]:
        """Open a blob at ``offset``, from ``host`` or else from the first host that may serve it.

        With ``url`` the blob is fetched from there instead, without the login and the settings of the registry. If a
        server ignores the range, the blob is read from its beginning and the known part is dropped. Raises
        :class:`TransferError` if a retry may help, also during the iteration over the chunks; no byte for
        ``read_timeout`` seconds is one such case. Only the promised length is verified here.
        """
        if url:
            host, source = _elsewhere(url, source, wanted)
        one = host or self.rotation(source).next()
        ranged, short = offset > 0, False
        async with AsyncExitStack() as stack:
            try:
                answer = await self._open(stack, one, source, wanted, offset=offset, limit=read_timeout, url=url)
                if offset and not is_usable(answer, offset, wanted.size):
                    # A part of something else, perhaps of an encoded form, or the range is refused: 416 by a server
                    # that cannot do ranges, 400, 403 or 501 by a proxy or a storage. The whole blob may be had.
                    short = answer.status == 416
                    await stack.aclose()
                    ranged = False
                    answer = await self._open(stack, one, source, wanted, offset=0, limit=read_timeout, url=url)
            except RegistryUnavailableError as error:
                self._failed(one, source, error)
                raise
            self._succeeded(one, source)
            start = offset if ranged and answer.status == 206 else 0
            rest = wanted.size - start
            if not answer.encodings and answer.length is not None and answer.length != rest:
                raise OtherLengthError(
                    f"blob {wanted.digest}: {one.base} announces {answer.length} bytes where the manifest promises "
                    f"{rest}"
                )
            chunks = without_first(answer.blob(rest, wanted.media_type), offset - start)
            yield Body(more_than_nothing(chunks, wanted, one) if short else chunks, one.base)

    async def _open(
        self,
        stack: AsyncExitStack,
        host: Host,
        source: Source,
        wanted: Descriptor,
        *,
        offset: int,
        limit: float | None,
        url: str,
    ) -> Answer:
        path = f"{source.reference.path}/blobs/{wanted.digest}"
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        answer = await stack.enter_async_context(
            self._get(host, source, path, url=url, headers=headers, read_timeout=limit)
        )
        if not successful(answer) and (not offset or answer.status in _NEVER_THE_RANGE):
            raise await _failure(answer, wanted.digest, host, self._login(host, source))
        return answer

    def _failed(self, host: Host, source: Source, error: DistributionError) -> None:
        """Skip a mirror for a while if it cannot be reached or is busy."""
        if host != source.hosts[-1] and isinstance(error, RegistryUnavailableError):
            source.failed.add(host.base)
            self._health.failed(host, error.wait if isinstance(error, TransferError) else 0.0)

    def _succeeded(self, host: Host, source: Source) -> None:
        source.failed.discard(host.base)
        self._health.answered(host)

    async def _document(self, host: Host, source: Source, path: str) -> tuple[bytes, str]:
        async with self._get(host, source, path, accept=ACCEPT, total_timeout=DOCUMENT_TIMEOUT) as answer:
            if not successful(answer):
                raise await _failure(answer, str(source.reference), host, self._login(host, source))
            data = await answer.read(LARGEST_DOCUMENT)
            if data is None:
                raise ManifestError(
                    f"{host.base}/{path} sends more than {LARGEST_DOCUMENT} bytes, too many for a manifest"
                )
            return data, without_parameters(answer.headers.get("Content-Type", ""))

    async def _first(
        self, source: Source, capability: str, what: str, ask: Callable[[Host], Coroutine[Any, Any, T]]
    ) -> T:
        """Ask the hosts in order until one answers; the failure of the last one (the upstream) decides the error."""
        hosts = [host for host in source.hosts if capability in host.capabilities]
        if not hosts:
            raise RegistryUnavailableError(f"no host for {source.reference.domain} has the capability {capability}")
        rotation = Rotation(hosts, self._health, source.failed)
        failures: dict[Host, DistributionError] = {}
        while not rotation.exhausted:
            host = rotation.next()
            try:
                answer = await _persistently(ask, host, self._patience if rotation.is_last(host) else 0.0)
            except DistributionError as error:
                failures.setdefault(host, error)
                self._failed(host, source, error)
                rotation.refused(host)
            else:
                self._succeeded(host, source)
                source.answered[what] = host.base
                return answer
        text = "; ".join(dict.fromkeys(str(failures[host]) for host in hosts))
        last = failures[hosts[-1]]
        kind = type(last) if not isinstance(last, TransferError) else RegistryUnavailableError
        raise kind(f"{what}: {text}" if what not in text else text) from last

    def _get(
        self,
        host: Host,
        source: Source,
        path: str,
        *,
        url: str = "",
        method: str = "GET",
        accept: str = "*/*",
        headers: Mapping[str, str] | None = None,
        read_timeout: float | None = DOCUMENT_TIMEOUT,
        total_timeout: float | None = None,
    ) -> AbstractAsyncContextManager[Answer]:
        return self._transport.request(
            host,
            self._login(host, source),
            method,
            url or f"{host.base}/{path}",
            headers={"Accept": accept, **(headers or {})},
            query={"ns": source.reference.domain} if host.serves_as_proxy(source.reference.domain) else None,
            read_timeout=read_timeout,
            total_timeout=total_timeout,
        )

    def _login(self, host: Host, source: Source) -> Login:
        login = source.logins.get(host.base)
        if login is None:
            login = self._transport.login(host, source.reference.path, source.credentials)
            source.logins[host.base] = login
        return login


def _elsewhere(url: str, source: Source, wanted: Descriptor) -> tuple[Host, Source]:
    try:
        host = Host(parse_url(url).origin)
    except UrlError as error:
        raise NotInRegistryError(
            f"blob {wanted.digest}: its place outside the registry is not a URL: it {error}"
        ) from None
    return host, Source(source.reference, (host,))


async def _persistently(ask: Callable[[Host], Coroutine[Any, Any, T]], host: Host, patience: float) -> T:
    """Retry a small request while the server says that it is busy, but not if the server cannot be reached."""
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


def _described(answer: Answer, digest: str) -> Descriptor | None:
    """Return the descriptor from the headers of a HEAD response, or None if they are incomplete."""
    named = answer.headers.get("Docker-Content-Digest", "")
    media_type = without_parameters(answer.headers.get("Content-Type", ""))
    size = answer.length
    if not is_digest(named) or not media_type or not size or (digest and named != digest):
        return None
    if media_type not in ACCEPT or answer.encodings or size > LARGEST_DOCUMENT:
        return None
    return Descriptor(media_type, named, size)


async def _failure(answer: Answer, what: str, host: Host, login: Login) -> DistributionError:
    """Return the error for a status that does not mean success."""
    server = answer.url.origin
    status = answer.status
    if status in {401, 403}:
        wish = "redirected there" if answer.foreign else "it wants a login, or the image does not exist"
        return UnauthorizedError(f"{server} answers {status} for {what}: {wish}{login.remark}")
    if status == 404:
        return NotInRegistryError(f"{what}: not found at {server}")
    if status in BUSY:
        return TransferError(f"{server} answers {status} for {what}", wait_of(answer.headers))
    secrets = (*login.secrets(), *(value for _, value in host.headers))
    detail = escaped(strike_out(await answer.error_text(), secrets).strip(), LONGEST_DETAIL)
    return RegistryUnavailableError(f"{server} answers {status} for {what}" + (f": '{detail}'" if detail else ""))


def _verify(data: bytes, digest: str, size: int | None = None) -> None:
    if size is not None and len(data) != size:
        raise CorruptBlobError(f"{digest} has {len(data)} bytes where {size} were promised")
    algorithm, _, value = digest.partition(":")
    if hashlib.new(algorithm, data).hexdigest() != value:
        raise CorruptBlobError(f"the bytes received for {digest} have another digest")
