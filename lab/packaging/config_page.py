"""Write the page of the configuration file from the declarations of the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any

from cri_shim.config import DEFAULT_PATH, Config
from cri_shim.config.key import keys_of
from cri_shim.config.render import scalar
from lab.packaging.roff import bold, escaped, prose, title

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cri_shim.config.key import Key

_INTRODUCTION = (
    'Every key is optional. It is shown here with its default. Durations are written as "10s", "1m30s" or "4h". '
    "A running daemon takes over the keys marked (live) with `systemctl reload cri-shim`; other keys need a restart. "
    "`cri-shim config default` prints a file with every key, and `cri-shim config check` finds mistakes in a file."
)


def config_page(version: str, date: str) -> str:
    """Return the page cri-shim-config(5)."""
    lines = [
        title("cri-shim-config", 5, date, version),
        ".SH NAME",
        "cri\\-shim\\-config \\- the configuration file of cri\\-shim",
        ".SH SYNOPSIS",
        f".I {escaped(str(DEFAULT_PATH))}",
        ".SH DESCRIPTION",
        prose(_INTRODUCTION),
        ".SH KEYS OUTSIDE OF TABLES",
        *_table(Config(), ()),
        ".SH SEE ALSO",
        ".BR cri\\-shim (1),",
        ".BR cri\\-shim\\-config (1)",
    ]
    return "\n".join(lines) + "\n"


def _table(value: Any, path: tuple[str, ...]) -> Iterator[str]:
    """Yield the keys of a table, then the tables in it; a table of tables is shown by the ones that there are."""
    tables: list[tuple[Key, Any]] = []
    for key in keys_of(type(value)):
        each = getattr(value, key.attribute)
        if is_dataclass(each) or isinstance(each, Mapping):
            tables.append((key, each))
        else:
            yield ".TP"
            yield f"{bold(key.name)} = {escaped(scalar(key, each))}"
            yield prose(f"{key.comment}{' (live)' if key.live else ''}")
    for key, each in tables:
        if isinstance(each, Mapping):
            for name, one in each.items():
                yield from _section(key, one, (*path, key.name, name))
            if not each:
                yield from _section(key, None, (*path, key.name, "NAME"))
        else:
            yield from _section(key, each, (*path, key.name))


def _section(key: Key, value: Any, path: tuple[str, ...]) -> Iterator[str]:
    yield f'.SH "[{escaped(".".join(path))}]"'
    yield prose(key.comment)
    if value is not None:
        yield from _table(value, path)
