"""Which names containerd accepts: identifiers, topics, digests and labels."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.fakes.containerd.refusals import Refusal, invalid_argument

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_IDENTIFIER = 76
LARGEST_LABEL = 4096
IDENTIFIER = r"^[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*$"
DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[A-Za-z0-9=_-]+")
SHA256_HEX = re.compile(r"[a-f0-9]{64}")


def validate_identifier(text: str) -> None:
    """Refuse what cannot name a namespace, a container or an exec process."""
    if not text:
        raise invalid_argument("identifier must not be empty")
    if len(text) > LONGEST_IDENTIFIER:
        quoted = f'identifier "{text}"'
        raise invalid_argument(f"{quoted} greater than maximum length ({LONGEST_IDENTIFIER} characters)")
    if re.fullmatch(IDENTIFIER[1:-1], text) is None:
        raise invalid_argument(f'identifier "{text}" must match {IDENTIFIER}')


def validate_labels(labels: Mapping[str, str], where: str, version: tuple[int, int]) -> None:
    """Refuse labels that are too large; ``where`` is the field that the error names."""
    for key, value in labels.items():
        size = len(key.encode()) + len(value.encode())
        if size > LARGEST_LABEL:
            length = f" length ({size} bytes)" if version >= (1, 7) else ""
            text = f"label key and value{length} greater than maximum size ({LARGEST_LABEL} bytes), key: {key[:10]}"
            raise invalid_argument(f"{where}: {text}")


def validate_topic(topic: str) -> None:
    """Refuse what cannot be the topic of an event."""
    if not topic:
        raise invalid_argument(f'envelope topic "{topic}": must not be empty')
    if not topic.startswith("/"):
        raise invalid_argument(f"envelope topic \"{topic}\": must start with '/'")
    if topic == "/":
        raise invalid_argument(f'envelope topic "{topic}": must have at least one component')
    for component in topic[1:].split("/"):
        try:
            validate_identifier(component)
        except Refusal as refusal:
            text = f'envelope topic "{topic}": failed validation on component "{component}": {refusal.text}'
            raise Refusal(refusal.code, text) from None


def digest_error(digest: str) -> str:
    """Return what is wrong with a digest in go-digest's words; empty when nothing is."""
    if DIGEST.fullmatch(digest) is None:
        return "invalid checksum digest format"
    algorithm, _, encoded = digest.partition(":")
    lengths = {"sha256": 64, "sha384": 96, "sha512": 128}
    if algorithm not in lengths:
        return "unsupported digest algorithm"
    if len(encoded) != lengths[algorithm]:
        return "invalid checksum digest length"
    if re.fullmatch(r"[a-f0-9]+", encoded) is None:
        return "invalid checksum digest format"
    return ""
