"""Writing a configuration out again."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import cri_shim
from cri_shim.config import (
    CniSection,
    Config,
    ContainerdSection,
    ImageSection,
    RegistrySection,
    RuncOptions,
    RuntimeHandler,
    RuntimeSection,
    default_toml,
    document,
    parse,
    to_toml,
)
from cri_shim.config.key import keys_of


def test_the_default_file_means_the_defaults():
    """What `config default` prints changes nothing when it is used as it is."""
    assert parse(default_toml()) == Config()


def test_every_key_of_the_default_file_has_a_line_about_it():
    """No key stands there without a word."""
    lines = default_toml().splitlines()
    keys = [index for index, line in enumerate(lines) if re.match(r"\w+ = ", line)]
    assert len(keys) > 50
    assert [lines[index] for index in keys if not lines[index - 1].startswith("# ")] == []


def test_settings_survive_being_written():
    """`config dump` of a configuration is that configuration, odd names and characters included."""
    text = """
        root = "/ä\\u007f\\"\\\\"
        shutdown_grace = "1h2m3s4ms"
        [containerd.runtimes."a\\nb\\\\\\"\\u007f"]
        [containerd.runtimes."my.one"]
        pod_annotations = ["a", "b\\n"]
        options.SystemdCgroup = true
        """
    config = parse(text)
    assert parse(to_toml(config)) == config


def test_every_key_is_heeded():
    """No key is there for show: something outside of the configuration reads each of them."""
    root = Path(cri_shim.__file__).parent
    code = (
        "".join(
            path.read_text() for path in root.rglob("*.py") if path.relative_to(root).parts[0] not in {"api", "config"}
        )
        + (root / "config/schema.py").read_text().partition("def runtime_handler")[2]
    )
    kinds = (Config, ContainerdSection, RuntimeHandler, RuncOptions, CniSection, ImageSection, RegistrySection)
    keys = {key.attribute for kind in (*kinds, RuntimeSection) for key in keys_of(kind)} - {"bin_dir", "bin_dirs"}
    assert sorted(key for key in keys if not re.search(rf"\.{key}\b", code)) == []


def test_the_document_is_what_the_file_would_hold():
    """`Status` shows the same names and values as the file, and they fit into JSON."""
    assert json.loads(json.dumps(document(Config()))) == tomllib.loads(default_toml())


def test_the_documentation_has_every_key_with_its_default():
    """docs/configuration.md is complete and up to date."""
    text = Path(__file__).parents[3].joinpath("docs/configuration.md").read_text()
    keys = [line.split(" = ", 1) for line in default_toml().splitlines() if re.match(r"\w+ = ", line)]
    assert [key for key, default in keys if f"| `{key}` | `{default}` |" not in text] == []
