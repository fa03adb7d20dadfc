"""The command ``cri-shim hops show``: one request, or all of one pod, in one of several forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cri_shim.terminal.chosen import NotRememberedError, by_id, newest, of_pod
from cri_shim.terminal.screen import is_plain, print_error, print_json, print_text, width
from cri_shim.terminal.trace_event import trace_events
from cri_shim.terminal.waterfall import waterfall

if TYPE_CHECKING:
    from cri_shim.terminal.fetch import Explorer


def show(explorer: Explorer, number: str, pod: str, form: str) -> int:
    """Print the request with id ``number``, or all of ``pod``, or the newest if both are empty; return the exit code.

    ``form`` is ``text``, ``json`` or ``trace-event``.
    """
    try:
        records = of_pod(explorer, pod) if pod else [by_id(explorer, number) if number else newest(explorer)]
    except NotRememberedError as error:
        print_error(str(error))
        return 1
    match form:
        case "json":
            print_json({"requests": records} if pod else records[0])
        case "trace-event":
            print_json(trace_events(records, _title(records, pod)), indent=None)
        case _:
            print_text("\n\n\n".join(waterfall(one, width=width(), plain=is_plain()) for one in records))
    return 0


def _title(records: list[dict[str, Any]], pod: str) -> str:
    """Return what the requests have in common."""
    return f"pod {pod}" if pod else f"{records[0]['method']} {records[0]['id']}"
