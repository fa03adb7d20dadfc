"""Return as JSON how front hop and transport are estimated, and how far the estimate agrees with spans.

docs/ledger.md documents the shape; names may be added, never changed.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cri_shim.ledger.front_estimate import FrontEstimate
    from cri_shim.ledger.transport.agreement import Comparison
    from cri_shim.ledger.transport.gap_curve import GapCurve
    from cri_shim.ledger.transport.transport_estimate import TransportEstimate


def calibration(transport: TransportEstimate, front: FrontEstimate) -> dict[str, Any]:
    """Return the answer of ``/api/calibration``."""
    return {
        "null_calls": transport.null_calls,
        "curve": _points(transport.curve, "null_call_ms"),
        "front": {"way_in": _points(front.way_in, "way_ms"), "way_out": _points(front.way_out, "way_ms")},
        "load": [
            {
                "under_way": first,
                "factor": round(factor.times, 3),
                "error": round(factor.error, 3),
                "samples": samples,
                "age_s": round(age, 1),
            }
            for first, factor, samples, age in transport.load.levels(perf_counter())
        ],
        "bytes": {"us_per_kib": round(transport.bytes.per_byte * 1024e6, 3), "samples": len(transport.bytes)},
        "learned": [
            {
                "method": rpc,
                "hop": method,
                "level": level,
                "hops": usual.hops,
                "ratio": round(usual.ratio, 3),
                "ratio_error": round(usual.ratio_error, 3),
                "daemon_ms": _ms(usual.daemon),
                "daemon_error_ms": _ms(usual.daemon_error),
                "error_ms": _ms(usual.error),
            }
            for (rpc, method, level), usual in sorted(transport.methods.usual())
        ],
        "agreement": {
            "requests": _compared(transport.agreement.requests()),
            "hops": _compared(transport.agreement.hops()),
        },
    }


def _points(curve: GapCurve, name: str) -> list[dict[str, Any]]:
    """Return what was measured at each gap; ``name`` is the key of the median."""
    ages = curve.ages()
    return [
        {
            "gap_ms": _ms(gap),
            name: _ms(estimate.seconds),
            "error_ms": _ms(estimate.error),
            "samples": samples,
            "age_s": round(ages[gap], 1),
        }
        for gap, estimate, samples in curve.points()
    ]


def _compared(by_method: dict[str, Comparison]) -> dict[str, Any]:
    """Return the comparison by method and, separately, over all methods; null where nothing was compared yet."""
    total = by_method.pop("", None)
    return {
        "total": None if total is None else _comparison(total),
        "methods": [{"method": method} | _comparison(one) for method, one in by_method.items()],
    }


def _comparison(one: Comparison) -> dict[str, Any]:
    """Return medians, the ratio of the medians, and that of the sums."""
    return {
        "pairs": one.pairs,
        "estimate_ms": _ms(one.estimate),
        "spans_ms": _ms(one.spans),
        "ratio": _ratio(one.estimate, one.spans),
        "ratio_p10": round(one.ratio_low, 3),
        "ratio_p90": round(one.ratio_high, 3),
        "sum_ratio": _ratio(one.estimate_sum, one.spans_sum),
        "null_calls_ms": _ms(one.by_null_calls),
        "null_calls_ratio": _ratio(one.by_null_calls, one.spans),
        "null_calls_ratio_p10": round(one.by_null_calls_low, 3),
        "null_calls_ratio_p90": round(one.by_null_calls_high, 3),
        "null_calls_sum_ratio": _ratio(one.by_null_calls_sum, one.spans_sum),
    }


def _ratio(estimate: float, spans: float) -> float | None:
    return round(estimate / spans, 3) if spans > 0.0 else None


def _ms(seconds: float) -> float:
    """Return milliseconds with four decimals, since some of the values are microseconds."""
    return round(seconds * 1000, 4)
