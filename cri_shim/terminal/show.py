"""The command ``cri-shim hops show``: one request, or all of one pod, in one of several forms."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from cri_shim.terminal.chosen import NotRememberedError, by_id, newest, of_pod
from cri_shim.terminal.screen import is_plain, print_error, print_json, print_page, print_text, width
from cri_shim.terminal.trace_event import trace_events
from cri_shim.terminal.waterfall import waterfall

if TYPE_CHECKING:
    from cri_shim.terminal.fetch import Explorer


def show(explorer: Explorer, number: str, pod: str, form: str) -> int:
    """Print the request with id ``number``, or all of ``pod``, or the newest if both are empty; return the exit code.

    ``form`` is ``text``, ``json``, ``trace-event`` or ``html``.
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
        case "html":
            print_page(_page(explorer, records, _title(records, pod)))
        case _:
            print_text("\n\n\n".join(waterfall(one, width=width(), plain=is_plain()) for one in records))
    return 0


def _title(records: list[dict[str, Any]], pod: str) -> str:
    """Return what the requests have in common."""
    return f"pod {pod}" if pod else f"{records[0]['method']} {records[0]['id']}"


def _page(explorer: Explorer, records: list[dict[str, Any]], title: str) -> str:
    from cri_shim.explorer.request_file import request_file  # noqa: PLC0415 - reads the page, which other forms need not

    node = explorer.get("/api/node")
    about = {name: str(node.get(name, "")) for name in ("version", "containerd_version")}
    return request_file(records, title, about | {"saved_at": round(time.time(), 3)})
