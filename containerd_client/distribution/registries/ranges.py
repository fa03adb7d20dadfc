"""Judge answers to requests for a blob from an offset on, of servers that may ignore or refuse the range."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from containerd_client.distribution.values.errors import CorruptBlobError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from containerd_client.distribution.registries.answer import Answer
    from containerd_client.distribution.registries.hosts import Host
    from containerd_client.distribution.values.manifest import Descriptor

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/(\*|[0-9]{1,19})")


def successful(answer: Answer) -> bool:
    """Return whether the answer is what was requested; as in containerd, the exact status does not matter."""
    return 200 <= answer.status < 300


def is_usable(answer: Answer, offset: int, size: int) -> bool:
    """Return whether an answer contains the whole blob, or its own bytes from ``offset`` to its end."""
    if answer.status != 206:
        return successful(answer)
    if answer.encodings and answer.length != size - offset:
        return False
    content_range = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
    if content_range is None:  # without a valid Content-Range only the length can be checked
        return answer.length == size - offset
    begin, end, whole = content_range.groups()
    to_the_end = int(end) == size - 1 if answer.length is None else answer.length == size - offset
    return int(begin) == offset and to_the_end and whole in {"*", str(size)}


async def without_first(chunks: AsyncIterator[bytes | memoryview], skip: int) -> AsyncIterator[bytes | memoryview]:
    """Yield the chunks without their first ``skip`` bytes."""
    async for chunk in chunks:
        if skip >= len(chunk):
            skip -= len(chunk)
        elif skip:
            rest, skip = chunk[skip:], 0
            yield rest
        else:
            yield chunk


async def more_than_nothing(
    chunks: AsyncIterator[bytes | memoryview], wanted: Descriptor, host: Host
) -> AsyncIterator[bytes | memoryview]:
    """Raise :class:`CorruptBlobError` if a server that has refused the range with 416 has nothing beyond it."""
    some = False
    async for chunk in chunks:
        some = True
        yield chunk
    if not some:
        raise CorruptBlobError(f"{host.base} has fewer bytes of {wanted.digest} than the manifest promises")
