"""Read YAML files of the node with limits, and convert them to JSON, as Go programs do before they parse it.

Aliases allow a short text to stand for a document of any size, and nesting uses the stack, so both are limited.
"""

from __future__ import annotations

import json
from typing import Any, Final

MOST_VALUES: Final = 100_000
"""Values that a document may have after its aliases are expanded."""
DEEPEST: Final = 100
"""Levels of nesting that a document may have."""


def load_yaml(text: bytes) -> Any:
    """Return a document as dicts, lists and scalars; raises ValueError that says what is wrong with it. Blocks."""
    import yaml  # noqa: PLC0415 - few nodes have such files, and the others save a MiB

    try:
        document = yaml.safe_load(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {' '.join(str(error).split())}") from error
    except (TypeError, OverflowError) as error:
        raise ValueError(f"not YAML that can be read: {error}") from error
    _require_small(document)
    return document


def yaml_as_json(text: bytes) -> bytes:
    """Return the document as JSON; raises ValueError."""
    try:
        return json.dumps(load_yaml(text), default=str).encode()
    except TypeError as error:
        raise ValueError(f"a key is not a string: {error}") from error


def _require_small(document: Any) -> None:
    level, values = [document], 0
    for _ in range(DEEPEST):
        level = [child for value in level for child in _children(value)]
        values += len(level)
        if values > MOST_VALUES:
            raise ValueError(f"it has more than {MOST_VALUES} values")
        if not level:
            return
    raise ValueError(f"it is nested more than {DEEPEST} levels deep")


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
