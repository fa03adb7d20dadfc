"""Fetch the requests that a command is about: one by its id, the newest, or all of one pod."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cri_shim.ledger.older_record import completed
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cri_shim.terminal.fetch import Explorer

_MOST = "2000"  # requests of a list; the daemon has no more


class NotRememberedError(Exception):
    """The daemon has no such request; the message says so."""


def by_id(explorer: Explorer, number: str) -> dict[str, Any]:
    """Return the record of a request."""
    try:
        record = explorer.get(f"/api/requests/{number}")
    except KeyError:
        raise NotRememberedError(
            f"request {number} is not remembered; `cri-shim hops slowest` lists some that are"
        ) from None
    return completed(record)


def newest(explorer: Explorer) -> dict[str, Any]:
    """Return the record of the newest request that was answered: one that changes something, unless none did."""
    answer: dict[str, Any] = {}
    for query in ({"reads": "0"}, {}):
        answer = explorer.get("/api/requests", **query)
        ended = next((one["id"] for one in answer["requests"] if not one["running"]), None)
        if ended is not None:
            return by_id(explorer, str(ended))
    raise NotRememberedError(why_none(answer))


def why_none(answer: Mapping[str, Any]) -> str:
    """Return why the daemon has no request that was answered, in the words for its user."""
    if answer.get("ledger", True):
        return "no request has been answered yet"
    return "this daemon keeps no requests: its configuration has [ledger] enabled = false"


def of_pod(explorer: Explorer, pod: str) -> list[dict[str, Any]]:
    """Return the records of all requests about the newest pod with that name (``NAMESPACE/NAME``), oldest first.

    Requests that only read are left out, because a kubelet asks for the status of a pod all day.
    """
    requests = explorer.get("/api/requests", reads="0", limit=_MOST)["requests"]
    mine = [one for one in requests if _name(one) == pod]
    ids = [one["pod"]["id"] for one in mine if one["pod"]["id"]]
    if not mine:
        known = dict.fromkeys(name for one in requests if (name := _name(one)))
        said = (
            f"those of {', '.join(escaped(name) for name in list(known)[:5])} are" if known else "none about any pod is"
        )
        raise NotRememberedError(f"no request about a pod {escaped(pod)} is remembered; {said}")
    newest_id = ids[0] if ids else ""
    chosen = sorted(one["id"] for one in mine if one["pod"]["id"] in {newest_id, ""})
    return [by_id(explorer, str(number)) for number in chosen]


def _name(summary: dict[str, Any]) -> str:
    """Return ``NAMESPACE/NAME``; empty for a request about no pod, and for a daemon that does not name pods."""
    pod = summary.get("pod")
    return f"{pod['namespace']}/{pod['name']}" if pod and pod["name"] else ""
