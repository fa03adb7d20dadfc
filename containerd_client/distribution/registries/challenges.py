"""Parse the header WWW-Authenticate: which authentication schemes a server offers.

RFC 7235; for Bearer, Docker's token authentication.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from msgspec import Struct

from untrusted import encodable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PARAMETER = re.compile(rf'({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_WORD}))')
_SCHEME = re.compile(rf"({_WORD})(?:\s+|$|(?=,))")
_LONGEST = 16 << 10
"""Characters of one header that are read."""
_MOST = 16
"""Number of headers that are read."""
_BETWEEN = re.compile(r"[\s,]*")


class Challenge(Struct, frozen=True):
    """One authentication scheme on offer; ``scheme`` and the names of parameters are in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Return all challenges in order; a malformed part ends the reading of its header."""
    read = itertools.islice(headers, _MOST)
    return tuple(challenge for header in read for challenge in _parse(encodable(header[:_LONGEST])))


def _parse(header: str) -> list[Challenge]:
    challenges: list[tuple[str, dict[str, str]]] = []
    place = 0
    while True:
        place = _skip(header, place)
        parameter = _PARAMETER.match(header, place)
        if parameter is not None:
            if not challenges:
                break
            name, quoted, bare = parameter.groups()
            challenges[-1][1][name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare
            place = parameter.end()
            continue
        scheme = _SCHEME.match(header, place)
        if scheme is None:
            break
        challenges.append((scheme[1].lower(), {}))
        place = scheme.end()
    return [Challenge(scheme, parameters) for scheme, parameters in challenges]


def _skip(header: str, place: int) -> int:
    between = _BETWEEN.match(header, place)
    return between.end() if between else place
