"""Tell containerd's configuration from this daemon's; both are TOML files of the same name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cri_shim.config.errors import ConfigError, Problem
from cri_shim.config.file_text import read_text
from cri_shim.config.key import keys_of
from cri_shim.config.schema import Config
from cri_shim.config.toml_document import parse_document

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NEWEST: Final = 4
"""The newest version of containerd's configuration that is known here, of containerd 2.3."""

_ONLY_CONTAINERD: Final = frozenset(
    {
        *("version", "plugins", "grpc", "ttrpc", "debug", "metrics", "cgroup", "timeouts", "imports", "temp"),
        *("disabled_plugins", "required_plugins", "proxy_plugins", "stream_processors", "plugin_dir"),
    }
)
"""Keys at the top of containerd's file that this daemon's does not have."""
_BOTH: Final = frozenset({"root", "state", "oom_score"})
AT_THE_TOP: Final = _ONLY_CONTAINERD | _BOTH
"""All keys at the top of containerd's file."""


def version_of(document: Mapping[str, Any]) -> int:
    """Return the version of containerd's configuration that a file says it has; one that says none is of version 1."""
    version = document.get("version")
    return version if type(version) is int and version > 0 else 1


def is_containerd(document: Mapping[str, Any]) -> bool:
    """Return whether a document is containerd's: it has a key of containerd's, and none that only this daemon has."""
    return not is_own(document) and not _ONLY_CONTAINERD.isdisjoint(map(str.lower, document))


def is_own(document: Mapping[str, Any]) -> bool:
    """Return whether a document has a key that only this daemon's configuration has."""
    return not ({key.name for key in keys_of(Config)} - _BOTH).isdisjoint(document)


def problem_of(path: Path) -> ConfigError | None:
    """Return the error for a file that is containerd's instead of this daemon's; None for any other file."""
    try:
        document = parse_document(read_text(path), str(path)) if path.is_file() else {}
    except (OSError, ConfigError):
        return None  # its own reader says what is wrong with it
    if not is_containerd(document):
        return None
    what = (
        f"this is a configuration of containerd (version {version_of(document)}), not of cri-shim; "
        f"`cri-shim config import {path}` prints its settings as a file for cri-shim"
    )
    return ConfigError([Problem(str(path), 0, "", what)])
