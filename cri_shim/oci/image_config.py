"""What an image says about the process it is made for.

The image configuration is a JSON blob in the content store (OCI image spec, ``config.md``; Docker's schema 2 has the
same fields). Only its ``config`` object matters for running it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from cri_shim.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping


class ImageConfig(Struct, frozen=True):
    """The ``config`` object of an image: defaults for whatever a container request leaves open.

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


def parse_image_config(data: bytes) -> ImageConfig:
    """Read an image configuration blob.

    Raises :class:`~cri_shim.errors.InvalidArgumentError` where it is not JSON or a field has the wrong type.
    """
    try:
        document = json.loads(data)
    except ValueError as error:
        raise InvalidArgumentError(f"the image configuration is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidArgumentError("the image configuration is not a JSON object")
    config = document.get("config") or {}
    if not isinstance(config, dict):
        raise InvalidArgumentError("the image configuration's field config is not an object")
    return ImageConfig(
        user=_text(config, "User"),
        env=_texts(config, "Env"),
        entrypoint=_texts(config, "Entrypoint"),
        cmd=_texts(config, "Cmd"),
        working_dir=_text(config, "WorkingDir"),
        labels=_labels(config),
        volumes=tuple(sorted(_object(config, "Volumes"))),
        stop_signal=_text(config, "StopSignal"),
    )


def _wrong(name: str, wanted: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"the image configuration's field config.{name} is not {wanted}")


def _text(config: dict[str, Any], name: str) -> str:
    value = config.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(name, "a string")
    return value


def _texts(config: dict[str, Any], name: str) -> tuple[str, ...]:
    value = config.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _wrong(name, "a list of strings")
    return tuple(value)


def _object(config: dict[str, Any], name: str) -> dict[str, Any]:
    value = config.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(name, "an object")
    return value


def _labels(config: dict[str, Any]) -> dict[str, str]:
    labels = _object(config, "Labels")
    if not all(isinstance(value, str) for value in labels.values()):
        raise _wrong("Labels", "an object of strings")
    return labels
