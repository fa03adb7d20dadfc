"""Return pods as JSON: those that exist, and those that only the ledger remembers.

docs/ledger.md documents the shapes; names may be added, never changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cri_shim.explorer.in_pieces import in_pieces
from cri_shim.explorer.pod_history import by_pod
from cri_shim.ledger.packed import unpacked
from cri_shim.ledger.record_json import ms
from cri_shim.ledger.totals import word_of_sum
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from cri_shim.explorer.pod_history import AnyRequest, Key
    from cri_shim.ledger.known_names import Life, ObjectNames
    from cri_shim.ledger.request import Request
    from cri_shim.state.containers import Status

_START = "RunPodSandbox"
_END = "RemovePodSandbox"


async def pod_list(
    existing: Iterable[Mapping[str, Any]], requests: Iterable[AnyRequest], reads: Collection[str]
) -> list[dict[str, Any]]:
    """Return every pod, newest first: ``existing`` ones, and those that ``requests`` are about."""
    every = list(requests)
    history = by_pod(every)
    pods = [(pod, history.pop((str(pod["id"]), "", ""), [])) async for pod in in_pieces(existing)]
    pods += [(_remembered(key, of), of) async for key, of in in_pieces(history.items())]
    newest = unpacked(every[-1]) if every else None
    rows = [(_made_at(pod, of, newest), await pod_json(pod, of, reads)) async for pod, of in in_pieces(pods)]
    return [pod for _, pod in sorted(rows, key=lambda row: row[0], reverse=True)]


def _made_at(pod: Mapping[str, Any], requests: Sequence[AnyRequest], newest: Request | None) -> float:
    """Return when a pod was made, as the clock of the node stands now: it may have been set back since then.

    The daemon's own clock says how long ago a pod's start was, if that is remembered; ``newest`` is the last request.
    """
    start = next((unpacked(one) for one in requests if one.method == _START), None)
    if start is not None and newest is not None and start.clock is not None and newest.clock is not None:
        return newest.started_at - (newest.clock - start.clock)
    first = unpacked(requests[0]).started_at if requests else 0.0
    return float(pod["created_at"] or first)


async def pod_json(pod: Mapping[str, Any], requests: Sequence[AnyRequest], reads: Collection[str]) -> dict[str, Any]:
    """Return one pod with totals over its ``requests`` that changed something."""
    changes = [one for one in requests if one.method not in reads]
    bills = [one.bill async for one in in_pieces(changes)]
    ended = [bill for one, bill in zip(changes, bills, strict=True) if one.code]
    return {
        **pod,
        "containers": [*pod["containers"], *_removed_containers(pod["containers"], requests)],
        "first_at": round(unpacked(requests[0]).started_at, 6) if requests else None,
        "last_at": round(unpacked(requests[-1]).started_at, 6) if requests else None,
        "request_count": len(changes),
        "running_count": len(changes) - len(ended),
        "read_count": len(requests) - len(changes),
        "error_count": sum(one.code not in {"OK", ""} for one in changes),
        "wall_ms": ms(sum(bill.wall for bill in bills)),
        "price_ms": ms(sum(bill.price for bill in bills)),
        "price_error_ms": ms(sum(bill.price_error for bill in bills)),
        "hop_count": sum(bill.hop_count for bill in ended),
        "split": word_of_sum(bill.split for bill in ended if bill.hop_count),
        "front_known": word_of_sum(bill.front_known for bill in ended),
    }


class AmbiguousPodError(Exception):
    """Several pods have an id that begins like this; the message says how many."""


async def one_pod(
    key: str, existing: Iterable[Mapping[str, Any]], requests: Iterable[AnyRequest], reads: Collection[str]
) -> tuple[dict[str, Any], Sequence[AnyRequest]] | None:
    """Return the pod whose id is ``key`` or begins with it, and its requests; None if there is none.

    Raises AmbiguousPodError.
    """
    present = {str(pod["id"]): pod async for pod in in_pieces(existing)}
    history = {pod_id: of for (pod_id, _, _), of in by_pod(requests).items() if pod_id}
    every = {*present, *history}
    matching = [key] if key in every else sorted(id_ for id_ in every if id_.startswith(key))
    if len(matching) > 1:
        raise AmbiguousPodError(f"this is the beginning of the ids of {len(matching)} pods; use more of it")
    if not matching:
        return None
    id_ = matching[0]
    of = history.get(id_, [])
    return await pod_json(present.get(id_) or _remembered((id_, "", ""), of), of, reads), of


def _remembered(key: Key, requests: Sequence[AnyRequest]) -> dict[str, Any]:
    """Return what the ledger knows of a pod that does not exist: removed, never made, or being made."""
    names = requests[-1].names
    assert names is not None  # noqa: S101 - else they would not be grouped
    start = next((round(unpacked(one).started_at, 6) for one in requests if one.method == _START), None)
    pod = next((one.names for one in reversed(requests) if one.names is not None and not one.names.container_id), names)
    end = next((unpacked(one) for one in reversed(requests) if one.method == _END and one.code == "OK"), None)
    starting = any(one.method == _START and not one.code for one in requests)
    return {
        "id": key[0],
        "namespace": names.namespace,
        "name": names.pod,
        "uid": "",
        "attempt": None,
        "state": "removed" if key[0] else "starting" if starting else "failed",
        "reason": "",
        "created_at": seconds(pod.life.created_at) or start,
        "removed_at": None if end is None else round(end.started_at + end.bill.wall, 6),
        "handler": "",
        "ips": [],
        "containers": [],
        "last_request": requests[-1].id,
    }


def _removed_containers(existing: Iterable[Mapping[str, Any]], requests: Iterable[AnyRequest]) -> list[dict[str, Any]]:
    """Return the containers that only the requests remember."""
    present = {one["id"] for one in existing}
    known = {one.names.container_id: one.names for one in requests if one.names is not None and one.names.container_id}
    return [_removed(names) for id_, names in known.items() if id_ not in present]


def _removed(names: ObjectNames) -> dict[str, Any]:
    return container_json(names.container_id, names.container, names.image, "removed", names.life)


def container_json(id_: str, name: str, image: str, state: str, life: Life | Status) -> dict[str, Any]:
    """Return one container of a pod; times are seconds since 1970, null if not known."""
    return {
        "id": id_,
        "name": name,
        "image": image,
        "state": state,
        "created_at": seconds(life.created_at),
        "started_at": seconds(life.started_at),
        "finished_at": seconds(life.finished_at),
        "exit_code": life.exit_code if life.finished_at else None,
        "reason": escaped(life.reason),
    }


def seconds(nanoseconds: int) -> float | None:
    """Return nanoseconds since 1970 as seconds; null for a moment that has not come."""
    return round(nanoseconds / 1e9, 6) if nanoseconds else None
