"""Which of the ledger's requests belong to which pod.

A pod that could not be made has no id; the attempts to start it belong together by its name.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from cri_shim.ledger.known_names import ObjectNames
    from cri_shim.ledger.packed import PackedRequest
    from cri_shim.ledger.request import Request

    AnyRequest: TypeAlias = PackedRequest | Request

Key: TypeAlias = tuple[str, str, str]
"""The id of a pod; namespace and name of one without an id."""


def key_of(names: ObjectNames) -> Key:
    """Return what the requests of one pod have in common."""
    return (names.pod_id, "", "") if names.pod_id else ("", names.namespace, names.pod)


def by_pod(requests: Iterable[AnyRequest]) -> dict[Key, list[AnyRequest]]:
    """Return the requests of each pod, in the order given; requests about no pod are left out."""
    grouped: defaultdict[Key, list[AnyRequest]] = defaultdict(list)
    for request in requests:
        if request.names is not None:
            grouped[key_of(request.names)].append(request)
    return dict(grouped)


def neighbours_json(
    request: Request, requests: Iterable[AnyRequest], reads: Collection[str]
) -> dict[str, dict[str, Any] | None]:
    """Return the requests about the same pod that came just before and after ``request``, without those that only read.

    ``requests`` are in the order in which they came.
    """
    beside: dict[str, dict[str, Any] | None] = {"previous": None, "next": None}
    if request.names is None:
        return beside
    key = key_of(request.names)
    for one in requests:
        if one.names is None or one.id == request.id or one.method in reads or key_of(one.names) != key:
            continue
        entry = {"id": one.id, "method": one.method, "code": one.code}
        if one.id > request.id:
            return beside | {"next": entry}
        beside["previous"] = entry
    return beside
