"""The labels of containerd's container objects: the image's, over them the request's, and what kind it is.

``kind`` is how this daemon and the plugin find their pods again. containerd refuses a label whose key and value are
longer than 4096 bytes together, and one without a key. Source: containerd ``labels/validate.go`` and the plugin's
``buildLabels``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping

KIND = "io.cri-containerd.kind"
SANDBOX = "sandbox"
CONTAINER = "container"
MAX_BYTES = 4096
RESERVED_PREFIXES = ("containerd.io/", "io.cri-containerd")


def record_labels(image: Mapping[str, str], request: Mapping[str, str], *, kind: str) -> dict[str, str]:
    """Give the labels of a container object, those of the request over those of its image.

    An image may say anything, so what is too long or poses as ours is left out (:func:`unfit_labels` names it). A
    request that is too long is refused with InvalidArgumentError: the kubelet would look for its label in vain.
    """
    unfit = set(unfit_labels(image))
    merged = {key: value for key, value in image.items() if key not in unfit}
    for key, value in request.items():
        if _bytes(key, value) > MAX_BYTES:
            raise InvalidArgumentError(
                f"label {key[:64]!r} and its value have {_bytes(key, value)} bytes; containerd takes {MAX_BYTES}"
            )
        merged[key] = value
    merged[KIND] = kind
    return merged


def unfit_labels(image: Mapping[str, str]) -> tuple[str, ...]:
    """Name the labels of an image that its containers cannot carry, for a line in the log."""
    return tuple(
        key
        for key, value in image.items()
        if not key or _bytes(key, value) > MAX_BYTES or key.startswith(RESERVED_PREFIXES)
    )


def _bytes(key: str, value: str) -> int:
    return len(key.encode()) + len(value.encode())
