"""The names of image records in containerd, and which of them CRI shows as tags, as digests or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerd_client.distribution.values.errors import InvalidReferenceError
from containerd_client.distribution.values.reference import is_digest, parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterable

    from containerd_client.distribution.values.reference import Reference

MANAGED = ("io.cri-containerd.image", "managed")
"""The label by which containerd's CRI plugin, and this daemon, mark an image record as seen."""
PINNED = ("io.cri-containerd.pinned", "pinned")
"""The label that makes the kubelet's garbage collection leave an image alone."""


def normal_name(text: str) -> str:
    """Return the normal form of a reference; empty if the text is not a reference."""
    try:
        return str(parse_reference(text))
    except InvalidReferenceError:
        return ""


def record_name(ref: str) -> str:
    """Return the name of the record that a request names by an id or a reference; empty if it is neither."""
    return ref if is_digest(ref) else normal_name(ref)


def record_names(reference: Reference, image_id: str, target_digest: str) -> tuple[str, ...]:
    """Return a pulled image's record names: its id, ``repo:tag`` (if the request had a tag), ``repo@digest``."""
    names = (image_id, str(reference), reference.at(target_digest))
    return tuple(dict.fromkeys(names))


def tags_and_digests(names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Sort record names into CRI's repo_tags and repo_digests; ids and names that are not references are left out."""
    tags: list[str] = []
    digests: list[str] = []
    for name in names:
        if is_digest(name) or normal_name(name) != name:
            continue
        (digests if "@" in name else tags).append(name)
    return tuple(tags), tuple(digests)
