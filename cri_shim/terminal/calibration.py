"""The command ``cri-shim hops calibrate``: how front hop and transport are estimated here, compared with spans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cri_shim.terminal.durations import ms
from cri_shim.terminal.fit import columns, folded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NOT_MEASURED = (
    "no null call has been measured yet; the daemon makes the first ones within seconds of its start, "
    "and none with [ledger] enabled = false or while containerd is away"
)
_NO_SPANS = (
    "containerd's spans have said nothing yet: the estimate rests on null calls alone.\n"
    "containerd 2.x exports spans; docs/tracing.md says how to send them here"
)


def calibration_text(answer: dict[str, Any], width: int = 0) -> str:
    """Return the answer of ``/api/calibration`` as tables; with a ``width``, none is wider."""
    text = "\n\n".join(_sections(answer, width))
    return folded(text, width, "") if width else text


def _sections(answer: dict[str, Any], width: int) -> Iterator[str]:
    if not answer["curve"]:
        yield _NOT_MEASURED
        return
    yield "The time of a call that does nothing, by how long the connection was quiet before it\n" + _curve(
        answer["curve"], "null call ms", "null_call_ms"
    )
    for way, direction in (("in", "from a client to this daemon"), ("out", "from this daemon back to a client")):
        if points := answer["front"][f"way_{way}"]:
            yield f"The front hop's way {direction}, by how long it was quiet before\n" + _curve(
                points, f"way {way} ms", "way_ms"
            )
    if answer["load"]:
        yield "How many times longer it takes beside requests and helpers under way\n" + columns(
            ("under way", "factor", "±", "samples", "age s"),
            [
                (
                    f"{level['under_way']} or more",
                    f"{level['factor']:.2f}",
                    f"{level['error']:.2f}",
                    str(level["samples"]),
                    f"{level['age_s']:.0f}",
                )
                for level in answer["load"]
            ],
            width,
        )
    yield (
        f"A KiB of a message adds {answer['bytes']['us_per_kib']:.2f} us ({answer['bytes']['samples']} samples). "
        f"{answer['null_calls']} null calls were made since the start."
    )
    if answer["learned"]:
        yield "What containerd's spans have taught: transport by null calls, and containerd's usual time\n" + columns(
            ("hop", "in", "level", "hops", "by null calls", "±", "containerd ms", "±", "usual error ms"),
            [
                (
                    _short(kind["hop"]),
                    kind["method"],
                    str(kind["level"] + 1),
                    str(kind["hops"]),
                    f"{kind['ratio']:.2f}",
                    f"{kind['ratio_error']:.2f}",
                    ms(kind["daemon_ms"]),
                    ms(kind["daemon_error_ms"]),
                    ms(kind["error_ms"]),
                )
                for kind in answer["learned"]
            ],
            width,
        )
    if answer["agreement"]["requests"]["total"] is None:
        yield _NO_SPANS
        return
    yield (
        "Estimate against spans, transport of whole requests. The estimate is the one that was made before the spans "
        "came;\nby null calls: what it would have been without anything that spans have taught. Medians; in brackets "
        "the tenth part\nbelow and above\n"
    ) + _comparison(answer["agreement"]["requests"], width)
    yield "The same by hop\n" + _comparison(answer["agreement"]["hops"], width)


def _curve(points: Sequence[dict[str, Any]], head: str, key: str) -> str:
    return columns(
        ("gap ms", head, "±", "samples", "age s"),
        [
            (
                f"{point['gap_ms']:g}",
                ms(point[key]),
                ms(point["error_ms"]),
                str(point["samples"]),
                f"{point['age_s']:.0f}",
            )
            for point in points
        ],
    )


def _comparison(compared: dict[str, Any], width: int) -> str:
    rows = [*compared["methods"], compared["total"] | {"method": "all together"}]
    return columns(
        ("method", "pairs", "estimate ms", "spans ms", "ratio", "(10 to 90 %)", "of sums", "by null calls", "of sums"),
        [_compared_row(row) for row in rows],
        width,
    )


def _compared_row(row: dict[str, Any]) -> Sequence[str]:
    return (
        _short(row["method"]),
        str(row["pairs"]),
        ms(row["estimate_ms"]),
        ms(row["spans_ms"]),
        _ratio(row["ratio"]),
        f"({row['ratio_p10']:.2f} to {row['ratio_p90']:.2f})",
        _ratio(row["sum_ratio"]),
        _ratio(row["null_calls_ratio"]),
        _ratio(row["null_calls_sum_ratio"]),
    )


def _ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def _short(method: str) -> str:
    """Return ``Tasks/Create`` for ``containerd.services.tasks.v1.Tasks/Create``."""
    return method.rpartition(".")[2]
