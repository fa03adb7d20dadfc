"""Write a Config as TOML with a comment on every key, or as plain values for ``Status``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from typing import Any

from cri_shim.config.key import Key, keys_of
from cri_shim.config.read import dotted
from cri_shim.config.schema import Config

_HEAD = """\
# Configuration of cri-shim. Every key is optional and shown here with its default.
# Durations are written as "10s", "1m30s" or "4h". Check a file with: cri-shim config check FILE
# A running daemon takes over the keys marked (live) with: systemctl reload cri-shim. Other keys need a restart.
"""


_SYSTEMD = """\
# Not a default: SystemdCgroup, which is set as this node has it.
"""


def default_toml(*, systemd_cgroup: bool = False) -> str:
    """Return a file with every key, its default and its purpose; reading it yields ``Config()``.

    ``systemd_cgroup`` is the value of SystemdCgroup, the one key that has to agree with another program of the node.
    """
    config = Config()
    if not systemd_cgroup:
        return _HEAD + "\n" + to_toml(config)
    runtimes = {
        name: replace(handler, options=replace(handler.options, systemd_cgroup=True))
        for name, handler in config.containerd.runtimes.items()
    }
    config = replace(config, containerd=replace(config.containerd, runtimes=runtimes))
    return _HEAD + _SYSTEMD + "\n" + to_toml(config)


def to_toml(config: Config) -> str:
    """Return ``config`` as complete TOML with comments; reading it yields ``config`` again."""
    return "\n".join(_section(config, ())).strip() + "\n"


def document(config: Config) -> dict[str, Any]:
    """Return ``config`` as plain JSON values under the names of the file."""
    return _document(config)


def _section(value: Any, path: tuple[str, ...]) -> list[str]:
    lines: list[str] = []
    tables: list[tuple[Key, Any]] = []
    for key in keys_of(type(value)):
        each = getattr(value, key.attribute)
        if is_dataclass(each) or isinstance(each, Mapping):
            tables.append((key, each))
        else:
            lines += [f"# {key.comment}{' (live)' if key.live else ''}", f"{key.name} = {scalar(key, each)}"]
    for key, each in tables:
        here = (*path, key.name)
        if isinstance(each, Mapping):
            lines += ["", f"# {key.comment}"]
            for name, one in each.items():
                lines += [f"[{dotted((*here, name))}]", *_section(one, (*here, name)), ""]
        else:
            lines += ["", f"# {key.comment}", f"[{dotted(here)}]", *_section(each, here)]
    return lines


def _plain(key: Key, value: Any) -> Any:
    if key.form is not None:
        return key.form.render(value)
    return list(value) if isinstance(value, tuple) else value


def scalar(key: Key, value: Any) -> str:
    """Return the value of a key as it stands in the file."""
    # JSON's strings, numbers, booleans and lists of strings are also valid TOML, except for DEL.
    return json.dumps(_plain(key, value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _document(value: Any) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key in keys_of(type(value)):
        each = getattr(value, key.attribute)
        if isinstance(each, Mapping):
            out[key.name] = {name: _document(one) for name, one in each.items()}
        else:
            out[key.name] = _document(each) if is_dataclass(each) else _plain(key, each)
    return out
