"""Lay out the document of ``cri-shim status`` as text in 80 columns."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final

from cri_shim.terminal.durations import ms, span
from cri_shim.wrapped_text import wrapped
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME: Final = 15
_STATE: Final = 10
_MARGIN: Final = " " * (_NAME + 1)
_LONGEST: Final = 400
"""Characters of a text from outside."""


def page(document: dict[str, Any]) -> str:
    """Return the text for a daemon that has answered."""
    now = time.time()
    return "\n".join([*_head(document), "", *_parts(document, now), "", *_numbers(document)])


def _head(document: dict[str, Any]) -> Iterator[str]:
    daemon = document["daemon"]
    yield from wrapped(f"cri-shim {_text(document['version'])} is {'ready' if document['ready'] else 'NOT READY'}")
    # Compared before they are shortened, which makes them differ.
    shown = [str(reason) for part in document["parts"] if (reason := part.get("reason", ""))]
    for reason in document["reasons"]:
        if not any(each in reason for each in shown):
            yield from _indented(_text(reason))
    for warning in document["warnings"]:
        yield from _indented(_text(warning))
    up = "unknown" if daemon["uptime_s"] is None else f"up {span(daemon['uptime_s'])}"
    yield from _pair("process", "unknown" if daemon["pid"] is None else f"{_text(daemon['pid'])}, {up}")
    file = daemon["config_file"]
    yield from _pair("configuration", "unknown" if file is None else _text(file) or "none, the defaults")
    yield from _pair("socket", _text(daemon["socket"]))


def _parts(document: dict[str, Any], now: float) -> Iterator[str]:
    yield f"{'part':<{_NAME}} {'state':<{_STATE}} since"
    containerd = document["containerd"]
    for part in document["parts"]:
        ready, reason = part.get("ready"), _text(part.get("reason", ""))
        state = "ready" if ready else "NOT READY" if ready is False else "-" if reason else "unknown"
        since = _ago(part.get("since"), now) if ready is not None else ""
        detail = _text(part.get("detail", ""))
        if part["name"] == "containerd" and not reason:
            detail = " ".join(filter(None, (_text(containerd["version"] or ""), _text(containerd["address"] or ""))))
        name = f"{_text(part['name'])[:_NAME]:<{_NAME}} {state:<{_STATE}} {since:<12} "
        yield from wrapped("" if reason else detail, first=name, further=_MARGIN)
        if reason:
            yield from _indented(reason)
        last = _text(part.get("last_error", ""))
        if last and last != reason:
            yield from _indented(f"last error, {_ago(part.get('last_error_at'), now)} ago: {last}")


def _numbers(document: dict[str, Any]) -> Iterator[str]:
    handlers = [f"{_text(each['name'])}{' (default)' if each['default'] else ''}" for each in document["handlers"]]
    yield from _pair("handlers", ", ".join(handlers) or "unknown")
    yield from _pair("pods", _counted(document["pods"]))
    yield from _pair("containers", _counted(document["containers"]))
    images, pulls = document["images"], document["pulls_in_flight"]
    yield from _pair("images", "unknown" if images is None else f"{_text(images)}, {_text(pulls or 0)} being pulled")
    yield from _pair("null call", _measured(document, "null_hop", "to containerd and back"))
    yield from _pair("front hop", _measured(document, "front", "from a client and back"))
    lag, most = document["loop_lag_ms"], document["loop_lag_last_minute_ms"]
    known = isinstance(lag, (int, float)) and isinstance(most, (int, float))
    yield from _pair("loop lag", f"{ms(lag)} ms, at most {ms(most)} ms in a minute" if known else "unknown")
    explorer = document["explorer"]
    yield from _pair("explorer", "unknown" if explorer is None else _link(_text(explorer)))


def _link(address: str) -> str:
    if not address:
        return "off"
    return address if address.startswith("unix:") else f"http://{address}"


def _measured(document: dict[str, Any], name: str, what: str) -> str:
    value, error = document[f"{name}_ms"], document[f"{name}_error_ms"]
    if not isinstance(value, (int, float)):
        return "unknown"
    possible = f" (±{ms(error)})" if isinstance(error, (int, float)) and error else ""
    return f"{ms(value)} ms{possible}, {what}"


def _counted(counts: dict[str, int] | None) -> str:
    if counts is None:
        return "unknown"
    return ", ".join(f"{number} {_text(state)}" for state, number in sorted(counts.items())) or "none"


def _ago(at: Any, now: float) -> str:
    return span(max(0.0, now - at)) if isinstance(at, (int, float)) and math.isfinite(at) else "unknown"


def _pair(name: str, value: str) -> Iterator[str]:
    yield from wrapped(value, first=f"{name:<{_NAME}} ", further=_MARGIN)


def _indented(text: str) -> list[str]:
    return wrapped(text, first="  ", further="  ")


def _text(value: Any) -> str:
    return escaped(str(value), _LONGEST)
