"""Find requests by the words of a search: parts of names, methods, codes and images, and beginnings of ids.

The page applies the same rule to requests that come in while it is open (``page/search.js``), and a test compares both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cri_shim.explorer.in_pieces import in_pieces
from cri_shim.ledger.packed import unpacked
from cri_shim.ledger.request import Request

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cri_shim.explorer.pod_history import AnyRequest

_IDS: Final = ("sandbox_id", "container_id")


async def matching(requests: Sequence[AnyRequest], words: Sequence[str], limit: int) -> list[AnyRequest]:
    """Return the first ``limit`` of the requests that have every one of the words, which are in lower case."""
    if not words:
        return list(requests[:limit])
    matches: list[AnyRequest] = []
    async for request in in_pieces(requests):
        if len(matches) >= limit:
            break
        if has_words(request, words):
            matches.append(request)
    return matches


def has_words(request: AnyRequest, words: Sequence[str]) -> bool:
    """Return whether a request has every one of the words, which are in lower case."""
    left = _without(request, words)
    # A packed request is unpacked only if what is known of it without that does not decide.
    return not left or not _without(unpacked(request), left)


def _without(request: AnyRequest, words: Iterable[str]) -> list[str]:
    texts, ids = _texts(request), _ids(request)
    return [
        word
        for word in words
        if not any(word in text for text in texts) and not any(id_.startswith(word) for id_ in ids)
    ]


def _texts(request: AnyRequest) -> list[str]:
    names = request.names
    texts = [request.method, request.code or "running"]
    if names is not None:
        texts += ["/".join(part for part in (names.namespace, names.pod, names.container) if part), names.image]
    if isinstance(request, Request):
        texts += [value for key, value in request.subject.items() if key not in _IDS]
    return [text.lower() for text in texts]


def _ids(request: AnyRequest) -> list[str]:
    names = request.names
    ids = [str(request.id)]
    if names is not None:
        ids += [names.pod_id, names.container_id]
    if isinstance(request, Request):
        ids += [value for key, value in request.subject.items() if key in _IDS]
    return [id_.lower() for id_ in ids if id_]
