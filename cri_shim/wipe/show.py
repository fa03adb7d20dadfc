"""Print what there is, or what was removed, as text of 80 columns or as one JSON document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cri_shim.wipe.inventory import Inventory

_SHOWN: Final = 12
"""Names of one kind that the text shows; JSON has all of them."""
_LONGEST: Final = 74


def text(heading: str, names: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield the lines of one list: each kind with its number, and the names below it."""
    yield heading
    for kind, those in names.items():
        if those:
            yield f"  {kind}: {len(those)}"
            yield from (f"    {escaped(name, _LONGEST)}" for name in those[:_SHOWN])
            if len(those) > _SHOWN:
                yield f"    ... and {len(those) - _SHOWN} more (-o json shows all)"


def document(before: Inventory, after: Inventory | None, errors: Mapping[str, str], *, offline: bool) -> str:
    """Return the JSON document; ``after`` is None for a dry run."""
    return json.dumps(
        {
            "dry_run": after is None,
            "offline": offline,
            "found": {kind: list(names) for kind, names in before.names.items()},
            "left": {} if after is None else {kind: list(names) for kind, names in after.names.items()},
            "errors": [{"what": what, "error": escaped(error, 1000)} for what, error in sorted(errors.items())],
            "of_others": dict(before.others),
        },
        indent=2,
    )
