"""Join modules of the page into one script, for a file that has to be complete by itself.

A browser does not load modules from a file's neighbours (``file://`` has no origin), so a file holds them in itself.
Each module becomes a function that returns what the module exports, and its imports become constants. This knows the
forms that the page's modules have: named imports from neighbours, and exports of functions, classes and constants.
Every other form is refused, so that a module that needs more is noticed by the tests and not by a reader.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_IMPORT: Final = re.compile(r'^import \{([^}]*)\} from "\./([a-z_]+)\.js";$', re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=(?:async function|function|class|const)\s+(\w+))", re.MULTILINE)
_OTHER: Final = re.compile(r"^\s*(?:import|export)\b.*|\bimport\(.*|</script.*|<!--.*", re.MULTILINE | re.IGNORECASE)


class BundleError(Exception):
    """A module has a form that this cannot join; the message names both."""


def bundle(entry: str, read: Callable[[str], str]) -> str:
    """Return the module ``entry`` (``request_file``) and all that it needs as one script; ``read`` returns a source."""
    return "\n".join(['"use strict";', *_modules(entry, read, {}, ())])


def _modules(name: str, read: Callable[[str], str], done: dict[str, None], inside: tuple[str, ...]) -> Iterator[str]:
    if name in inside:
        raise BundleError(f"the modules {', '.join((*inside, name))} import each other")
    if name in done:
        return
    source = read(f"{name}.js")
    for _, needed in _IMPORT.findall(source):
        yield from _modules(needed, read, done, (*inside, name))
    done[name] = None
    exported = ", ".join(_EXPORT.findall(source))
    body = _EXPORT.sub("", _IMPORT.sub(_constants, source))
    if (other := _OTHER.search(body)) is not None:
        raise BundleError(f"{name}.js: cannot join {other.group().strip()!r}")
    yield f"// {name}.js\nconst {_variable(name)} = (() => {{\n{body.strip()}\nreturn {{ {exported} }};\n}})();\n"


def _constants(match: re.Match[str]) -> str:
    names = ", ".join(name.strip().replace(" as ", ": ") for name in match[1].split(",") if name.strip())
    return f"const {{ {names} }} = {_variable(match[2])};"


def _variable(name: str) -> str:
    return f"module_{name}"
