"""The daemon's settings: one TOML file, every key with a default, nothing in it taken on trust.

Keys have the names that containerd's CRI plugin gave them (its ``config.toml``, table
``plugins."io.containerd.grpc.v1.cri"``) wherever it has the same thing. ``schema`` holds the keys, their defaults and
what is said about each; ``toml_file`` reads a file against it and reports everything that is wrong at once, by name and
line; ``render`` writes it out again.
"""

from __future__ import annotations

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
    "default_toml",
    "document",
    "load",
    "parse",
    "to_toml",
]
