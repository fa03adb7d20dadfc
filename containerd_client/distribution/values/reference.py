"""Parse image references as people write them into their one normal form.

The grammar is that of the distribution project (``reference.regexp``); the defaults are Docker's, which every CRI
implementation follows: no domain means ``docker.io``, a single path component there means ``library/``, neither tag nor
digest means ``:latest``. If both tag and digest are given, the digest decides and the normal form drops the tag, as
``ParseDockerRef`` does: a tag that may point elsewhere in the meantime must not be recorded for that digest.
"""

from __future__ import annotations

import ipaddress
import re

from msgspec import Struct

from containerd_client.distribution.values.errors import InvalidReferenceError
from untrusted import escaped

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
LONGEST_NAME = 255
LONGEST_REFERENCE = 1024
"""Longest reference in characters, with its tag and digest."""

_DOMAIN_PART = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = re.compile(rf"(?:{_DOMAIN_PART}(?:\.{_DOMAIN_PART})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_PATH_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PATH_PART}(?:/{_PATH_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
_HEX = re.compile(r"[0-9a-f]+")


class Reference(Struct, frozen=True):
    """A normalised reference; ``domain`` and ``path`` are always set, and exactly one of ``tag`` and ``digest``."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """Return domain and path: ``docker.io/library/busybox``."""
        return f"{self.domain}/{self.path}"

    @property
    def object(self) -> str:
        """Return what to request from a registry: the digest or the tag."""
        return self.digest or self.tag

    def at(self, digest: str) -> str:
        """Return the name with this digest: ``repo@sha256:…``."""
        return f"{self.name}@{digest}"

    def __str__(self) -> str:
        """Return the normal form."""
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"


def is_digest(text: str) -> bool:
    """Return whether the text is a complete digest: algorithm, colon and the right number of lower-case hex digits."""
    algorithm, _, value = text.partition(":")
    return len(value) == _DIGEST_LENGTHS.get(algorithm, -1) and _HEX.fullmatch(value) is not None


def id_prefix(text: str) -> str:
    """Return the hex digits if the text may be an image id or a prefix of one, else the empty string."""
    value = text.removeprefix("sha256:")
    return value if len(value) <= 64 and _HEX.fullmatch(value) else ""


def parse_reference(text: str) -> Reference:
    """Parse a reference in any of Docker's forms.

    Raises :class:`InvalidReferenceError`, which names the text and the part of it that is wrong.
    """
    if not text:
        raise InvalidReferenceError("image reference is empty")
    if len(text) > LONGEST_REFERENCE:
        raise InvalidReferenceError(
            f"image reference '{escaped(text, 64)}' is longer than {LONGEST_REFERENCE} characters"
        )
    shown = f"'{escaped(text)}'"
    name, at, digest = text.partition("@")
    if at and not is_digest(digest):
        raise InvalidReferenceError(
            f"image reference {shown}: '{escaped(digest)}' is not a digest like sha256:<64 hex digits>"
        )
    name, tag = _split_tag(name)
    if tag is not None and not _TAG.fullmatch(tag):
        raise InvalidReferenceError(f"image reference {shown}: '{escaped(tag)}' is not a tag")
    domain, path = _split_domain(name)
    if not _DOMAIN.fullmatch(domain) or (domain.startswith("[") and not _is_ipv6(domain[1:].partition("]")[0])):
        raise InvalidReferenceError(f"image reference {shown}: '{escaped(domain)}' is not a registry host")
    if not _PATH.fullmatch(path):
        hint = ": repository names must be lower case" if path != path.lower() else ""
        raise InvalidReferenceError(f"image reference {shown}: '{escaped(path)}' is not a repository name{hint}")
    if not at and _is_bare_id(text):
        raise InvalidReferenceError(
            f"image reference {shown} looks like an image id, which cannot be pulled from a registry"
        )
    if len(domain) + 1 + len(path) > LONGEST_NAME:
        raise InvalidReferenceError(f"image reference {text[:64]!r}… is longer than {LONGEST_NAME} characters")
    if digest:
        return Reference(domain, path, digest=digest)
    return Reference(domain, path, tag=tag or DEFAULT_TAG)


def _split_tag(name: str) -> tuple[str, str | None]:
    """Split off the tag, after a colon behind the last slash (a colon before it belongs to a port)."""
    colon = name.rfind(":")
    if colon > name.rfind("/"):
        return name[:colon], name[colon + 1 :]
    return name, None


def _split_domain(name: str) -> tuple[str, str]:
    """Split off the host: the first component if it can only be a host (dot, colon, upper case or ``localhost``)."""
    first, slash, rest = name.partition("/")
    if slash and (first == "localhost" or any(mark in first for mark in ".:[") or first != first.lower()):
        domain, path = first, rest
    else:
        domain, path = DEFAULT_DOMAIN, name
    if domain == "index.docker.io":
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and path and "/" not in path:
        path = f"library/{path}"
    return domain, path


def _is_bare_id(text: str) -> bool:
    return len(text) == 64 and _HEX.fullmatch(text) is not None


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
