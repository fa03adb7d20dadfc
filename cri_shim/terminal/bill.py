"""Write a bill in sentences: how the wall time adds up, what the hop cost, and how that is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cri_shim.terminal.durations import ms

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPLIT = {"spans": "measured", "estimate": "estimate", "mixed": "partly estimate"}
_FRONT = {"measured": "measured, the way out an estimate", "estimate": "estimate"}
_LEAST = 0.001  # milliseconds; what is shorter is not worth a sentence


def bill_lines(record: dict[str, Any]) -> list[str]:
    """Return the bill of a record (``/api/requests/ID``) as lines; for a running request, only how long it has run."""
    bill = record["bill"]
    if record["running"]:
        return [f"runs for {ms(bill['wall_ms'])} ms; the bill is complete when it has been answered"]
    return list(_lines(record))


def _lines(record: dict[str, Any]) -> Iterator[str]:
    bill = record["bill"]
    yield (
        f"wall {ms(bill['wall_ms'])} ms = transport {ms(bill['transport_ms'])} + own work {ms(bill['work_ms'])} "
        f"+ own queue {ms(bill['queue_ms'])} + waiting for the world {ms(bill['world_ms'])}"
    )
    if record["hop_count"]:
        yield (
            f"{_counted(record['hop_count'], 'hop')}: one or more in flight for {ms(bill['hops_ms'])} ms; "
            f"one by one {ms(bill['hops_sum_ms'])}, {_split_of_hops(bill)}"
        )
    if record["helper_count"]:
        yield f"{_counted(record['helper_count'], 'helper')}: one or more ran for {ms(bill['helpers_ms'])} ms"
    yield (
        f"own work: {ms(bill['work_cpu_ms'])} ms of CPU, {ms(bill['work_wait_ms'])} ms of waiting for the event loop "
        "or a core (measured)"
    )
    if bill["queue_ms"] >= _LEAST:
        yield (
            f"waited {ms(bill['queue_ms'])} ms in the daemon's own queue ({_queues(record)}), "
            "which is not part of the price"
        )
    yield price_line(record)


def _split_of_hops(bill: dict[str, Any]) -> str:
    if bill["split"] == "none":
        return "the share of transport is unknown"
    return (
        f"of which containerd {ms(bill['daemon_sum_ms'])} and transport {ms(bill['transport_sum_ms'])} "
        f"{_known(_SPLIT[bill['split']])}"
    )


def _queues(record: dict[str, Any]) -> str:
    """Return what the request waited for, the longest wait first."""
    longest: dict[str, float] = {}
    for wait in record["waits"]:
        if wait["part"] == "queue":
            longest[wait["name"]] = longest.get(wait["name"], 0.0) + wait["duration_ms"]
    return ", ".join(sorted(longest, key=lambda name: -longest[name])) or "limits and locks"


def price_line(record: dict[str, Any]) -> str:
    """Return what the hop cost: ``the hop cost 6.10 ms (±0.400): front hop 0.900 (estimate), transport …``."""
    bill = record["bill"]
    error = f" (±{ms(bill['price_error_ms'])})" if bill["price_error_ms"] else ""
    parts, unknown = [], []
    if bill["front_known"] == "none":
        unknown.append("the front hop")
    else:
        parts.append(f"front hop {ms(bill['front_ms'])} {_known(_FRONT[bill['front_known']], bill['front_error_ms'])}")
    if record["hop_count"] and bill["split"] == "none":
        unknown.append("transport")
    elif record["hop_count"]:
        transport = _known(_SPLIT[bill["split"]], bill["transport_error_ms"])
        parts.append(f"transport {ms(bill['transport_ms'])} {transport}")
    parts.append(f"own work {ms(bill['work_ms'])} (measured)")
    without = f" without {' and '.join(unknown)}, not known yet" if unknown else ""
    return f"the hop cost {ms(bill['price_ms'])} ms{error}{without}: {', '.join(parts)}"


def short_price(bill: dict[str, Any], hops: float) -> str:
    """Return the price for one line among others: ``~6.10 ±0.400``, marked as in :func:`price_mark`."""
    error = f" ±{ms(bill['price_error_ms'])}" if bill["price_error_ms"] else ""
    return f"{price_mark(bill, hops)}{ms(bill['price_ms'])}{error}"


def price_mark(known: dict[str, Any], hops: float) -> str:
    """Return ``≥`` for a price with an unknown part, else ``~``: the way out of a front hop is always an estimate.

    It uses the ``split`` and ``front_known`` of a bill or of totals; ``hops`` is how many hops it is made of.
    """
    if known["front_known"] == "none" or (hops and known["split"] == "none"):
        return "≥"
    return "~"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _known(how: str, error: float = 0.0) -> str:
    return f"({how}, ±{ms(error)})" if error else f"({how})"
