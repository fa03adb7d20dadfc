"""Read an image's settings for the process that it was made for.

The image configuration is a JSON blob in the content store (OCI image spec, ``config.md``; Docker's schema 2 has the
same fields). Only its ``config`` object matters for running it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct, field

from cri_shim.errors import FailedPreconditionError
from untrusted import DocumentError, Object, parse_object

if TYPE_CHECKING:
    from collections.abc import Mapping


class ImageConfig(Struct, frozen=True):
    """The ``config`` object of an image: defaults for what a container request leaves unset.

    ``user`` is ``name``, ``uid``, ``uid:gid`` or ``name:group``; ``env`` holds ``KEY=value``; ``volumes`` are absolute
    paths in the container; ``stop_signal`` is a name or a number as text. An empty value means unset.
    """

    user: str = ""
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    working_dir: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""


LONGEST_USER = 4096
"""Characters of a user's name that clients see; no system has a user with a longer name."""

_NUMBER = re.compile(r"([+-]?)0*([0-9]{1,19})")
_INT64 = range(-(1 << 63), 1 << 63)


def uid_or_name(user: str) -> tuple[int | None, str]:
    """Return the uid or the name at the start of an image's ``user``, as containerd's plugin reports it to clients.

    A text that is not a number of 64 bits is a name. The uid is None for a name; the name is empty for a uid.
    """
    name = user.partition(":")[0]
    number = _NUMBER.fullmatch(name)
    if number is not None and (uid := int("".join(number.groups()))) in _INT64:
        return uid, ""
    return None, name[:LONGEST_USER]


def parse_image_config(data: bytes) -> ImageConfig:
    """Parse an image configuration blob by Go's rules: ``"user"`` equals ``"User"``, and ``null`` means unset.

    Raises :class:`~cri_shim.errors.FailedPreconditionError` if it is not JSON or a field has the wrong type.
    """
    try:
        config = parse_object(data).object("config") or Object()
        return ImageConfig(
            user=config.text("User"),
            env=config.texts("Env"),
            entrypoint=config.texts("Entrypoint"),
            cmd=config.texts("Cmd"),
            working_dir=config.text("WorkingDir"),
            labels=config.text_map("Labels"),
            volumes=tuple(sorted(config.object_map("Volumes"))),
            stop_signal=config.text("StopSignal"),
        )
    except DocumentError as error:
        raise FailedPreconditionError(f"the image configuration cannot be used: {error}") from error
