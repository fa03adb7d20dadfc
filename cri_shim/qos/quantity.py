"""Parse Kubernetes' notation of quantities: 50M, 64Mi, 10k, 1.5G, 2e6.

Source: the API documentation of ``Quantity``; fractions of the smallest unit are rounded up, as there.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

_FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i)?)", re.ASCII)
_DECIMAL = {"n": -3, "u": -2, "m": -1, "": 0, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}


def parse_quantity(text: str) -> int:
    """Return the value of a quantity; raises ValueError that quotes a malformed one."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a quantity such as 1000, 50M, 64Mi or 2e6")
    number, exponent, suffix = match.groups()
    if exponent:
        factor = Fraction(10) ** int(exponent)
    elif suffix in _BINARY:
        factor = Fraction(1024) ** _BINARY[suffix]
    else:
        factor = Fraction(1000) ** _DECIMAL[suffix or ""]
    return math.ceil(Fraction(number) * factor)
