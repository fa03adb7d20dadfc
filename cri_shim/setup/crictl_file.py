"""Point crictl at cri-shim: a new file, or the file that is there with other endpoints and nothing else changed."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from cri_shim.setup.shipped import shipped

DEFAULT_SOCKET: Final = "/run/cri-shim/cri-shim.sock"
_KEYS: Final = ("runtime-endpoint", "image-endpoint")


def new_crictl(socket: str) -> str:
    """Return the example file for this socket."""
    return with_socket(shipped("crictl.yaml"), socket)


def changed_crictl(text: str, socket: str) -> str:
    """Return the file ``text`` with our endpoints, unchanged if it has them.

    Raises ValueError if the file is not a table of settings, or says its endpoints in a way that cannot be changed.
    """
    endpoint = f"unix://{socket}"
    if all(value == endpoint for value in _endpoints(text)):
        return text
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    for key in _KEYS:
        places = [place for place, line in enumerate(lines) if re.match(rf"{key}[ \t]*:", line)]
        for place in places:
            lines[place] = f"{key}: {endpoint}\n"
        if not places:
            lines.append(f"{key}: {endpoint}\n")
    changed = "".join(lines)
    if any(value != endpoint for value in _endpoints(changed)):
        raise ValueError("its endpoints cannot be changed line by line")
    return changed


def with_socket(text: str, socket: str) -> str:
    """Return a shipped file with the socket of this node."""
    return text.replace(DEFAULT_SOCKET, socket)


def _endpoints(text: str) -> list[Any]:
    try:
        settings = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError("it is not YAML") from error
    if settings is None:
        settings = {}
    if not isinstance(settings, dict):
        raise ValueError("it is not a table of settings")  # noqa: TRY004 - a value from outside, not a type of ours
    return [settings.get(key) for key in _KEYS]
