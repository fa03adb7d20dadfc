"""The daemon's settings: one TOML file, in which every key has a default and every value is checked.

Keys have the same names as in containerd's CRI plugin (its ``config.toml``, table
``plugins."io.containerd.grpc.v1.cri"``) wherever the plugin has the same setting. ``schema`` declares the keys, their
defaults and their documentation; ``toml_file`` reads a file and reports everything that is wrong at once, by name and
line; ``render`` writes a configuration out again.

This room may import ``errors`` and ``untrusted``. It must never act on a setting: other rooms do that.
"""

from __future__ import annotations

from cri_shim.config.changes import Change, changes, with_live_keys
from cri_shim.config.errors import ConfigError, Problem
from cri_shim.config.render import default_toml, document, to_toml
from cri_shim.config.schema import (
    CniSection,
    Config,
    ContainerdSection,
    ImageSection,
    KeyPairSection,
    RegistrySection,
    RuncOptions,
    RuntimeHandler,
    RuntimeSection,
    StreamSection,
    TracingSection,
)
from cri_shim.config.toml_file import DEFAULT_PATH, Flag, load, parse

__all__ = [
    "DEFAULT_PATH",
    "Change",
    "CniSection",
    "Config",
    "ConfigError",
    "ContainerdSection",
    "Flag",
    "ImageSection",
    "KeyPairSection",
    "Problem",
    "RegistrySection",
    "RuncOptions",
    "RuntimeHandler",
    "RuntimeSection",
    "StreamSection",
    "TracingSection",
    "changes",
    "default_toml",
    "document",
    "load",
    "parse",
    "to_toml",
    "with_live_keys",
]
