"""Parse a TOML text, or say what is wrong with it and where."""

from __future__ import annotations

import re
import tomllib
from typing import Any, Final

from cri_shim.config.errors import ConfigError, Problem

_POSITION: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_LONG_NUMBER: Final = re.compile(r"[0-9][0-9_]{4300}")


def parse_document(text: str, name: str) -> dict[str, Any]:
    """Return the tables in ``text``; raises ConfigError, in which ``name`` comes before each line number."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax_problem(str(error), text, name)]) from None
    except RecursionError:
        raise ConfigError([Problem(name, 0, "", "its values are nested too deeply")]) from None
    except ValueError:  # Python converts whole numbers of up to 4300 digits only, and tomllib lets its error pass
        long = _LONG_NUMBER.search(text)
        line = 0 if long is None else text.count("\n", 0, long.start()) + 1
        raise ConfigError([Problem(name, line, "", "a number has too many digits")]) from None


def _syntax_problem(message: str, text: str, name: str) -> Problem:
    """Return the problem that ``tomllib`` describes with ``message``, with its line."""
    position = _POSITION.search(message)
    if position is None:
        return Problem(name, 0, "", message)
    what = message[: position.start()]
    what = what[:1].lower() + what[1:]
    if position[1] is None:
        return Problem(name, max(len(text.splitlines()), 1), "", f"{what}, at the end of the file")
    return Problem(name, int(position[1]), "", f"{what}, at column {position[2]}")
