"""The labels of containerd's container objects: the image's, over them the request's, and what kind it is.

``kind`` is how this daemon and the plugin find their pods again. containerd refuses a label whose key and value are
longer than 4096 bytes together. Source: containerd ``labels/validate.go`` and the plugin's ``buildLabels``.
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


def merge_labels(
    request: Mapping[str, str], image: Mapping[str, str], kind: str
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Give the labels of a container object, and the keys of image labels that had to be left out.

    An image may say anything, so what is too long or poses as ours is left out; a request that is too long is
    refused with InvalidArgumentError, because the kubelet would look for its label in vain.
    """
    merged: dict[str, str] = {}
    skipped: list[str] = []
    for key, value in image.items():
        if _bytes(key, value) > MAX_BYTES or key.startswith(RESERVED_PREFIXES):
            skipped.append(key)
        else:
            merged[key] = value
    for key, value in request.items():
        if _bytes(key, value) > MAX_BYTES:
            raise InvalidArgumentError(
                f"label {key[:64]!r} and its value have {_bytes(key, value)} bytes; containerd takes {MAX_BYTES}"
            )
        merged[key] = value
    merged[KIND] = kind
    return merged, tuple(skipped)


def _bytes(key: str, value: str) -> int:
    return len(key.encode()) + len(value.encode())
