"""Keep what the tests of the bill measured for docs/price.md: ``python -m lab.measuring.proofs DATA.json PAGE.md``.

With ``CRI_SHIM_PROOFS=DATA.json`` the tests in tests/integration/ledger write their figures there; the command puts
them into the page, between its marks.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

VARIABLE: Final = "CRI_SHIM_PROOFS"
BEGIN: Final = "<!-- {name}: begin -->\n"
END: Final = "<!-- {name}: end -->\n"
PARTS: Final = ("front", "transport", "work", "queue", "world")
_HEADS: Final = ("front hop", "transport", "own work", "own queue", "world")


def keep(kind: str, name: str, values: dict[str, float] | float) -> None:
    """Add a measurement to the file that the environment names, if it names one."""
    if not (path := os.environ.get(VARIABLE)):
        return
    file = Path(path)
    results: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    results["date"] = time.strftime("%Y-%m-%d", time.gmtime())
    results.setdefault(kind, {})[name] = values
    file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def tables(results: dict[str, Any]) -> dict[str, str]:
    """Return the tables of a page, by the name of their marks."""
    delays = [f"| 5 ms in | {' | '.join(_HEADS)} |", f"|---|{'---|' * len(_HEADS)}"]
    for place, parts in results["delays"].items():
        delays.append(f"| {place} | {' | '.join(f'{parts[part]:+.2f}' for part in PARTS)} |")
    clients = ["| call | (front hop + wall) / client's time |", "|---|---|"]
    clients += [f"| {call} | {share:.3f} |" for call, share in results["client"].items()]
    return {
        "delays": "\n".join(delays)
        + f"\n\nMilliseconds by which the median of each part changed, {results['date']}.\n",
        "client": "\n".join(clients) + f"\n\nMedians, {results['date']}.\n",
    }


def between(page: str, name: str) -> str:
    """Return what a page has between the marks of a name."""
    return page.partition(BEGIN.format(name=name))[2].partition(END.format(name=name))[0]


def main() -> None:
    """Write the tables into the page."""
    data, page = map(Path, sys.argv[1:3])
    text = page.read_text(encoding="utf-8")
    for name, table in tables(json.loads(data.read_text(encoding="utf-8"))).items():
        before, begin, rest = text.partition(BEGIN.format(name=name))
        text = before + begin + table + END.format(name=name) + rest.partition(END.format(name=name))[2]
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
