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
    before = _settings(text)
    if all(before.get(key) == endpoint for key in _KEYS):
        return text
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    for key in _KEYS:
        places = [place for place, line in enumerate(lines) if re.match(rf"([\"']?){key}\1[ \t]*:", line)]
        for place in places:
            lines[place] = f"{key}: {endpoint}\n"
        if not places:
            lines.append(f"{key}: {endpoint}\n")
    changed = "".join(lines)
    try:
        after = _settings(changed)
    except ValueError:
        after = {}
    if after != before | dict.fromkeys(_KEYS, endpoint):
        raise ValueError(f"its endpoints cannot be changed line by line: set both to {endpoint}")
    return changed


def with_socket(text: str, socket: str) -> str:
    """Return a shipped file with the socket of this node."""
    return text.replace(DEFAULT_SOCKET, socket)


def _settings(text: str) -> dict[Any, Any]:
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        settings = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError("it is not a document of YAML") from error
    if settings is None:
        settings = {}
    if not isinstance(settings, dict):
        raise ValueError("it is not a table of settings")  # noqa: TRY004 - a value from outside, not a type of ours
    keys = [key.value for key, _ in tree.value] if isinstance(tree, yaml.MappingNode) else []
    if any(keys.count(key) > 1 for key in _KEYS):
        raise ValueError("it has one of its endpoints twice, which crictl refuses")
    return settings
