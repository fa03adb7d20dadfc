"""Restore a request of the ledger from the record of a recording, so that the explorer can show it like its own.

What follows from the rest (purposes, the critical path, sums) is not read but computed again, so a view of a recording
says what this release says.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from containerd_client.hops import Hop
from cri_shim.ledger.bill import Bill
from cri_shim.ledger.known_names import ObjectNames
from cri_shim.ledger.request import Request
from cri_shim.ledger.trace_context import TraceContext
from cri_shim.ledger.transport.transport_estimate import Charge
from cri_shim.network.exec import Helper
from cri_shim.timeline import Stretch
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cri_shim.recording.shapes import BillShape, HopShape, RequestShape, StretchShape

_LONGEST_ERROR: Final = 4096


def restored(shape: RequestShape) -> Request:
    """Return the request; its clock begins at 0 with the request itself."""
    request = Request(shape.id, escaped(shape.method), escaped(shape.api))
    request.ended = True
    request.started, request.started_at = 0.0, shape.started_at
    request.clock_from = None if shape.clock_ms is None else _seconds(shape.clock_ms)
    request.subject = {escaped(name): escaped(text) for name, text in shape.subject.items()}
    request.names = _names(shape)
    request.code, request.error = escaped(shape.code), escaped(shape.error, _LONGEST_ERROR)
    if shape.trace_id:
        request.trace = TraceContext(escaped(shape.trace_id), "")
    for number, hop in enumerate(shape.hops):
        _add_hop(request, hop, number)
    request.helpers = [
        Helper(
            escaped(one.name), escaped(one.command), _seconds(one.start_ms), _seconds(one.duration_ms), one.exit_code
        )
        for one in shape.helpers
    ]
    request.stages = _stretches(shape.stages)
    request.waits = _stretches(shape.waits)
    request.bill = _bill(shape.bill, len(request.hops), len(request.helpers))
    return request


def _names(shape: RequestShape) -> ObjectNames | None:
    pod, container = shape.pod, shape.container
    if pod is None:
        return None
    names = ObjectNames(escaped(pod.id), escaped(pod.namespace), escaped(pod.name))
    if container is not None:
        names.container_id, names.container = escaped(container.id), escaped(container.name)
        names.image = escaped(container.image)
    return names


def _add_hop(request: Request, shape: HopShape, number: int) -> None:
    """Add a hop so that its shares are the recorded ones (:func:`cri_shim.ledger.billing.hop_shares`)."""
    started, span, shift = _seconds(shape.start_ms), f"{number:016x}", _shift(shape)
    request.hops.append(
        Hop(
            escaped(shape.method),
            started,
            _seconds(shape.duration_ms + shift),
            shape.bytes_out,
            shape.bytes_in,
            shape.attempts,
            escaped(shape.code),
            f"00-{0:032x}-{span}-00",
        )
    )
    charge = None
    if shape.split == "spans":
        if request.server_spans is None:
            request.server_spans = {}
        request.server_spans[span] = _seconds(shape.daemon_ms - shift)
    elif shape.split == "estimate":
        charge = Charge(_seconds(shape.transport_ms - shift), _seconds(shape.transport_error_ms))
    elif shape.transport_ms:
        if request.late is None:
            request.late = {}
        request.late[started] = _seconds(shape.transport_ms)
    request.charges.append(charge)


def _shift(shape: HopShape) -> float:
    """Return by how much less than half of the last decimal to move values, so that all three are rounded as recorded.

    The shares and the duration of a hop were rounded apart, so they may not add up; one share is computed as the rest.
    """
    rest = shape.daemon_ms + shape.transport_ms - shape.duration_ms
    return math.copysign(0.0004, rest) if shape.split != "none" and 0.0005 < abs(rest) < 0.0015 else 0.0


def _bill(shape: BillShape, hop_count: int, helper_count: int) -> Bill:
    return Bill(
        _seconds(shape.wall_ms),
        transport=_seconds(shape.transport_ms),
        work=_seconds(shape.work_ms),
        work_cpu=_seconds(shape.work_cpu_ms),
        queue=_seconds(shape.queue_ms),
        world=_seconds(shape.world_ms),
        front=_seconds(shape.front_ms),
        front_error=_seconds(shape.front_error_ms),
        front_known=shape.front_known,
        hops=_seconds(shape.hops_ms),
        hops_sum=_seconds(shape.hops_sum_ms),
        hop_count=hop_count,
        helpers=_seconds(shape.helpers_ms),
        helpers_sum=_seconds(shape.helpers_sum_ms),
        helper_count=helper_count,
        own=_seconds(shape.own_ms),
        daemon_sum=_seconds(shape.daemon_sum_ms),
        transport_sum=_seconds(shape.transport_sum_ms),
        transport_error=_seconds(shape.transport_error_ms),
        split=shape.split,
    )


def _stretches(shapes: Iterable[StretchShape]) -> list[Stretch]:
    return [Stretch(escaped(one.name), _seconds(one.start_ms), _seconds(one.duration_ms)) for one in shapes]


def _seconds(milliseconds: float) -> float:
    return milliseconds / 1000
