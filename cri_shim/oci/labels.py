"""Make the labels of containerd's container records: the image's, then the request's over them, and the kind.

This daemon and the plugin find their pods by ``kind``. containerd rejects a label whose key and value have more than
4096 bytes together, and a label without a key. Source: containerd ``labels/validate.go`` and the plugin's
``buildLabels``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.errors import InvalidArgumentError
from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Mapping

KIND = "io.cri-containerd.kind"
SANDBOX = "sandbox"
CONTAINER = "container"
MAX_BYTES = 4096
MAX_ANNOTATIONS = 1 << 20
"""Bytes of all labels and annotations of one pod or container; Kubernetes allows 256 KiB of annotations."""
RESERVED_PREFIXES = ("containerd.io/", "io.cri-containerd")


def record_labels(image: Mapping[str, str], request: Mapping[str, str], *, kind: str) -> dict[str, str]:
    """Return the labels of a container record, those of the request over those of its image.

    An image may have any labels, so those that are too long or that pose as ours are left out (:func:`unfit_labels`
    names them). Raises InvalidArgumentError for labels of the request that containerd does not accept.
    """
    check_labels(request)
    unfit = set(unfit_labels(image))
    merged = {key: value for key, value in image.items() if key not in unfit}
    return merged | dict(request) | {KIND: kind}


def check_labels(labels: Mapping[str, str]) -> None:
    """Check the labels of a request; raises InvalidArgumentError for one that containerd does not accept.

    Unlike an image's labels they are not left out, because the kubelet would search for its label in vain.
    """
    for key, value in labels.items():
        if not key:
            raise InvalidArgumentError(f"a label has an empty key and the value '{escaped(value)}'; give it a key")
        size = _bytes(key, value)
        if size > MAX_BYTES:
            raise InvalidArgumentError(
                f"label '{escaped(key, 64)}' and its value have {size} bytes; containerd accepts {MAX_BYTES}"
            )


def check_annotations(labels: Mapping[str, str], annotations: Mapping[str, str]) -> None:
    """Check that labels and annotations together are not so large that a few such pods would break every list.

    A list contains all of them in one message, whose size clients limit. Raises InvalidArgumentError.
    """
    size = sum(_bytes(key, value) for words in (labels, annotations) for key, value in words.items())
    if size > MAX_ANNOTATIONS:
        raise InvalidArgumentError(
            f"the labels and annotations have {size} bytes together; at most {MAX_ANNOTATIONS} are allowed, "
            "so keep large data elsewhere"
        )


def unfit_labels(image: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the image's labels that its containers cannot have, for a line in the log."""
    return tuple(
        key
        for key, value in image.items()
        if not key or _bytes(key, value) > MAX_BYTES or key.startswith(RESERVED_PREFIXES)
    )


def _bytes(key: str, value: str) -> int:
    return len(key.encode()) + len(value.encode())
