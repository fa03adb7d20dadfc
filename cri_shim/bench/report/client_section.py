"""Report which client made the calls, and how much of each number is that client's own share."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from cri_shim.bench.report.blocks import Block, Heading, Paragraph, Table
from cri_shim.bench.report.numbers import number

if TYPE_CHECKING:
    from cri_shim.bench.results.schema import CallingClient, Run


def of_run(run: Run) -> list[Block]:
    """Return the section; nothing for a run that does not name its client."""
    if run.client is None:
        return []
    blocks: list[Block] = [Heading(2, "The client"), Paragraph(_made_by(run.client))]
    if run.null_calls:
        blocks += [_table(run), Paragraph(_share(run))]
    return blocks


def _made_by(client: CallingClient) -> str:
    version = f" ({client.version})" if client.version else ""
    how = f", a program that is driven by lines: `{client.command}`" if client.command else ""
    return f"All calls were made and timed by **{client.name}**{version}{how}."


def _table(run: Run) -> Table:
    """Return the median of the null calls of each client to each side, by rhythm."""
    sides = [side.name for side in run.sides]
    medians = _medians(run)
    rows = dict.fromkeys((client, rhythm) for client, _, rhythm in medians)
    return Table(
        ("null call (`Version`), ms, p50", "calls", *sides),
        tuple((client, rhythm, *(number(medians[client, side, rhythm]) for side in sides)) for client, rhythm in rows),
        2,
    )


def _share(run: Run) -> str:
    """Return how much longer one client takes than the other, which is its own share."""
    medians = _medians(run)
    first, *others = dict.fromkeys(client for client, _, _ in medians)
    if not others:
        return (
            "Part of each time is the client's own. How much is only known beside a client of other make: "
            "`--client PATH` adds one (docs/client-protocol.md)."
        )
    more = {
        (side, rhythm): medians[others[0], side, rhythm] - value
        for (client, side, rhythm), value in medians.items()
        if client == first
    }
    least, most = min(more, key=more.__getitem__), max(more, key=more.__getitem__)
    return (
        f"The difference between two clients is their own share: for the same null call {others[0]} takes "
        f"{_more_or_less(more[least])} (on {least[0]}, {least[1]}) to {_more_or_less(more[most])} (on {most[0]}, "
        f"{most[1]}) than {first}. What {first} itself takes is still part of every number."
    )


def _more_or_less(ms: float) -> str:
    return f"{number(abs(ms))} ms {'more' if ms >= 0 else 'less'}"


def _medians(run: Run) -> dict[tuple[str, str, str], float]:
    """Return them by client, side and rhythm, in the order of measuring."""
    return {
        (each.client, each.side, each.rhythm): statistics.median(each.samples)
        for each in run.null_calls
        if each.samples
    }
