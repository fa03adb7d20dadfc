"""Keep an ended request with its details packed, because a thousand are kept and few are ever read.

The start of a pod notes dozens of hops, stages and helpers, which take ten kilobytes as objects and one or two packed.
They are packed into one piece of memory, so that a long-lived record does not keep the memory around it, which comes
and goes, from being freed.
"""

from __future__ import annotations

import struct
from struct import Struct
from typing import TYPE_CHECKING, Any, get_args

from msgspec import msgpack

from containerd_client.hops import Hop
from cri_shim.ledger.bill import Bill, FrontKnown, Split
from cri_shim.ledger.request import Request
from cri_shim.ledger.trace_context import TraceContext
from cri_shim.ledger.transport.transport_estimate import Charge
from cri_shim.network.exec import Helper
from cri_shim.timeline import Stretch

if TYPE_CHECKING:
    from collections.abc import Sequence

UNPACKABLE = (ValueError, TypeError, ArithmeticError, struct.error)
"""What a record raises if its texts cannot be encoded or its numbers do not fit."""

_encode = msgpack.Encoder().encode
_decode = msgpack.Decoder().decode

_WORDS = ("split", "front_known")
_NUMBERS = tuple(name for name in Bill.__struct_fields__ if name not in _WORDS)
_SPLITS: tuple[Split, ...] = get_args(Split)
_FRONT_KNOWN: tuple[FrontKnown, ...] = get_args(FrontKnown)
_BILL = Struct("=" + "".join("i" if name.endswith("_count") else "d" for name in _NUMBERS) + "BB")  # two words
"""The bill comes before everything else, because totals need only the bill."""


class PackedRequest:
    """The values that totals need and, on demand, the whole request."""

    __slots__ = ("__weakref__", "_packed", "code", "id", "method", "names")

    def __init__(self, request: Request) -> None:
        self.id = request.id
        self.method = request.method
        self.code = request.code
        self.names = request.names
        self._packed = _pack(request)

    @property
    def bill(self) -> Bill:
        """The bill of the request, built anew."""
        *numbers, split, front_known = _BILL.unpack_from(self._packed)
        return Bill(
            **dict(zip(_NUMBERS, numbers, strict=True)), split=_SPLITS[split], front_known=_FRONT_KNOWN[front_known]
        )

    def keep(self, request: Request) -> None:
        """Replace the content with the same request's present one."""
        self._packed = _pack(request)

    def request(self) -> Request:
        """Build the request anew, without its blocks and its stages' subjects: spans are made before it is packed."""
        api, trace, clock, subject, error, spans, hops, charges, late, helpers, stages, waits = _decode(
            memoryview(self._packed)[_BILL.size :]
        )
        request = Request(self.id, self.method, api, None if trace is None else TraceContext(*trace))
        request.ended = True
        request.started, request.started_at, request.clock_from = clock
        request.subject, request.names = subject, self.names
        request.code, request.error = self.code, error
        request.bill = self.bill
        request.server_spans = spans
        request.hops = [Hop(*row) for row in hops]
        request.charges = [None if charge is None else Charge(*charge) for charge in charges]
        request.late = late
        request.helpers = [Helper(*row) for row in helpers]
        request.stages = [Stretch(*row) for row in stages]
        request.waits = [Stretch(*row) for row in waits]
        return request


def unpacked(request: PackedRequest | Request) -> Request:
    """Return the request itself, whether it is packed or not."""
    return request.request() if isinstance(request, PackedRequest) else request


def _pack(request: Request) -> bytes:
    bill, trace = request.bill, request.trace
    numbers = _BILL.pack(
        *(getattr(bill, name) for name in _NUMBERS), _SPLITS.index(bill.split), _FRONT_KNOWN.index(bill.front_known)
    )
    # The hop's traceparent tells which hop containerd reported on; without such reports it is never read.
    has_spans = request.server_spans is not None
    return numbers + _encode(
        (
            request.api,
            None if trace is None else (trace.trace_id, trace.span_id, trace.parent_id, trace.sampled, trace.exported),
            (request.started, request.started_at, request.clock_from),
            dict(request.subject),
            request.error,
            request.server_spans,
            [
                (
                    hop.method,
                    hop.started,
                    hop.duration,
                    hop.bytes_out,
                    hop.bytes_in,
                    hop.attempts,
                    hop.code,
                    hop.trace if has_spans else "",
                )
                for hop in request.hops
            ],
            request.charges,
            request.late,
            [(one.name, one.command, one.started, one.duration, one.exit_code) for one in request.helpers],
            _rows(request.stages),
            _rows(request.waits),
        )
    )


def _rows(stretches: Sequence[Stretch] | None) -> list[tuple[Any, ...]]:
    return [(one.name, one.started, one.duration) for one in stretches or ()]
