"""The names of image records in containerd, and which of them CRI shows as tags, digests or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerd_client.distribution.errors import InvalidReferenceError
from containerd_client.distribution.reference import is_digest, parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterable

    from containerd_client.distribution.reference import Reference

MANAGED = ("io.cri-containerd.image", "managed")
"""The label by which containerd's CRI plugin, and we, mark an image record as seen."""
PINNED = ("io.cri-containerd.pinned", "pinned")
"""The label that tells the kubelet's garbage collection to leave an image alone."""


def normal_name(text: str) -> str:
    """Return the normal form of a reference; empty when the text is none."""
    try:
        return str(parse_reference(text))
    except InvalidReferenceError:
        return ""


def record_names(reference: Reference, image_id: str, target_digest: str) -> tuple[str, ...]:
    """Return the records of a pulled image: its id, ``repo:tag`` (if it was asked by tag), ``repo@digest``."""
    names = (image_id, str(reference), reference.at(target_digest))
    return tuple(dict.fromkeys(names))


def tags_and_digests(names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Sort record names into CRI's repo_tags and repo_digests; ids and what is no reference are left out."""
    tags: list[str] = []
    digests: list[str] = []
    for name in names:
        if is_digest(name) or normal_name(name) != name:
            continue
        (digests if "@" in name else tags).append(name)
    return tuple(tags), tuple(digests)
