"""Turn a pod's bandwidth annotations, which are Kubernetes quantities, into limits in bits per second.

Sources: the Kubernetes documentation of traffic shaping (``kubernetes.io/ingress-bandwidth``, ``egress-bandwidth``,
between 1k and 1P), the syntax of quantities (apimachinery resource.Quantity), and the CNI convention for ``bandwidth``.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Final

from cri_shim.errors import InvalidArgumentError
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Mapping

INGRESS: Final = "kubernetes.io/ingress-bandwidth"
EGRESS: Final = "kubernetes.io/egress-bandwidth"
_LONGEST: Final = 64  # characters of a quantity
_LOWEST: Final = 1_000
_HIGHEST: Final = 10**15
_BURST: Final = 2**32 - 1  # no limit on bursts: the rate alone shapes (containerd's plugin sends the same value)

_QUANTITY: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d{1,3})|([KMGTPE]i|[numkMGTPE]))?", re.ASCII)
_SUFFIX: Final = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12), "P": Decimal(10**15),
    "E": Decimal(10**18), "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40),
    "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip


def parse_quantity(text: str) -> int:
    """Return a Kubernetes quantity as a whole number, rounded up.

    Raises ``ValueError`` if the text is not a quantity.
    """
    match = _QUANTITY.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise ValueError(f"{escaped(text)!r} is not a quantity such as 500k or 10M")
    number, exponent, suffix = match.groups()
    value = Decimal(number + (exponent or "")) * _SUFFIX[suffix or ""]
    return int(value.to_integral_value(ROUND_CEILING))


def bandwidth(annotations: Mapping[str, str]) -> dict[str, int] | None:
    """Return the CNI ``bandwidth`` capability of a pod, or None if the pod asks for no limit.

    Raises ``InvalidArgumentError`` naming the annotation that cannot be parsed or is out of bounds.
    """
    limits: dict[str, int] = {}
    for annotation, direction in ((INGRESS, "ingress"), (EGRESS, "egress")):
        text = annotations.get(annotation)
        if text is None:
            continue
        try:
            rate = parse_quantity(text)
        except ValueError as error:
            raise InvalidArgumentError(f"annotation {annotation}: {error}") from None
        if not _LOWEST <= rate <= _HIGHEST:
            raise InvalidArgumentError(f"annotation {annotation}: {text} bit/s is not between 1k and 1P")
        limits[f"{direction}Rate"] = rate
        limits[f"{direction}Burst"] = _BURST
    return limits or None
