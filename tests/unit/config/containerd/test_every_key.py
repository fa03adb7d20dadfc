"""Every key of containerd's that has a rule here: it arrives, or its loss is said; and no key has been forgotten."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from cri_shim.config import Config, ConfigError, parse
from cri_shim.config.containerd.files import read_files
from cri_shim.config.containerd.keys import CRI, IMAGES, KEYS, RUNTIME, SERVER_1X, TRANSFER
from cri_shim.config.containerd.merge import merge
from cri_shim.config.containerd.notes import Why
from cri_shim.config.containerd.own_keys import own_key
from cri_shim.config.containerd.render import render
from cri_shim.config.containerd.translate import Translation, translate

DEFAULTS = Path(__file__).parent / "defaults"
LINES = ("1.6", "1.7", "2.1")

# A value for each key that takes no arbitrary one, and what it is in the result.
VALUES: dict[str, tuple[Any, Any]] = {
    "runtime_type": ("io.containerd.kata.v2", "io.containerd.kata.v2"),
    "default_runtime_name": ("h", "h"),
    "stats_collect_period": (30, "30s"),
    "image_pull_progress_timeout": ("2m", "2m"),
    "drain_exec_sync_io_timeout": ("0s", "0s"),
    "stream_idle_timeout": ("1h", "1h"),
    "per_verifier_timeout": ("3s", "3s"),
    "stream_server_address": ("192.0.2.1", "192.0.2.1"),
    "stream_server_port": ("10010", "10010"),
    "unset_seccomp_profile": ("runtime/default", "runtime/default"),
    "ip_pref": ("ipv6", "ipv6"),
    "snapshotter": ("native", "native"),
    "config_path": ("/certs", "/certs"),
    "max_concurrent_downloads": (7, 7),
}


def imported(directory: Path, text: str, line: int = 2) -> Translation:
    """Translate a text."""
    file = directory / "containerd.toml"
    file.write_text(text)
    return translate(merge(read_files(file), line))


def result(translation: Translation) -> Config:
    """Return the settings that the printed file means."""
    return parse(render(translation, ["containerd.toml"], everything=False))


def text_of(path: tuple[str, ...], value: Any, version: int) -> str:
    """Return a file with one key, and a handler that it may name."""
    *table, key = ["h" if part == "*" else part for part in path]
    heading = ".".join(json.dumps(part) for part in table)
    handler = ".".join(json.dumps(part) for part in (*(CRI if version < 3 else RUNTIME), "containerd", "runtimes", "h"))
    handlers = "" if heading.startswith(handler) else f"[{handler}]\n"
    return f"version = {version}\n{handlers}[{heading}]\n{key} = {json.dumps(value)}\n"


def version_for(path: tuple[str, ...]) -> int:
    """Return a version in which the key has a meaning at this place."""
    return 2 if path[:2] == CRI and path not in SERVER_1X else 3


def other_value(path: tuple[str, ...], default: Any) -> tuple[Any, Any]:
    """Return a value that is not the default, and what the result has for it."""
    if path[-1] in VALUES:
        return VALUES[path[-1]]
    rule = KEYS[path]
    if rule.kind == "bool":
        return (not default, not default)
    return {"int": (5, 5), "string": ("/some/path", "/some/path"), "strings": (["/a", "/b"], ["/a", "/b"])}[rule.kind]


ALONE = [path for path, rule in KEYS.items() if rule.to and path[-2] != "x509_key_pair_streaming"]
"""Keys that are taken by themselves; certificate and key go together."""


@pytest.mark.parametrize("path", ALONE, ids=".".join)
def test_a_value_arrives_with_the_place_that_it_came_from(tmp_path, path):
    """The settings have the value, and the printed file has the line of containerd's file beside it."""
    to = tuple("h" if part == "*" else part for part in KEYS[path].to)
    _, key, default = own_key(to)
    value, wanted = other_value(path, default)
    got = imported(tmp_path, text_of(path, value, version_for(path)))
    assert [note for note in got.notes if note.why is Why.LOST] == []
    printed = render(got, [], everything=False)
    section: Any = parse(printed)
    for part in to[:-1]:
        section = section[part] if isinstance(section, type(parse("").containerd.runtimes)) else getattr(section, part)
    there = getattr(section, key.attribute)
    assert (key.form.render(there) if key.form else list(there) if isinstance(there, tuple) else there) == wanted
    lines = printed.splitlines()
    at = next(index for index, line in enumerate(lines) if line.startswith(f"{to[-1]} = "))
    assert lines[at - 1].startswith(f"# {tmp_path}/containerd.toml:")
    assert path[-1] in lines[at - 1]


@pytest.mark.parametrize("path", [path for path, rule in KEYS.items() if not rule.to], ids=".".join)
def test_a_value_without_a_counterpart_is_said_to_be_lost_unless_it_is_the_default(tmp_path, path):
    """Neither a loss in silence, nor a warning about what never mattered."""
    rule = KEYS[path]
    other = {"bool": not rule.default, "int": 7, "string": "other", "strings": ["x"]}[rule.kind]
    for value, lost in ((other, not rule.harmless), (rule.default, False)):
        if value is None:
            continue
        got = imported(tmp_path, text_of(path, value, version_for(path)))
        (note,) = [note for note in got.notes if note.origin.path[-1] == path[-1]]
        assert (note.why is Why.LOST) is lost
        assert bool(note.reason) is (lost or rule.harmless)
        assert result(got).containerd.runtimes.keys() == {"runc", "h"}


@pytest.mark.parametrize("path", list(KEYS), ids=".".join)
def test_a_value_of_a_wrong_type_is_refused_with_its_line(tmp_path, path):
    """containerd does not start with it, so there is nothing to translate."""
    wrong = "text" if KEYS[path].kind in {"bool", "int", "strings"} else 3
    with pytest.raises(ConfigError) as caught:
        imported(tmp_path, text_of(path, wrong, version_for(path)))
    assert f"{path[-1]}: is {json.dumps(wrong)}, must be " in str(caught.value)


@pytest.mark.parametrize("line", LINES)
def test_no_key_of_a_complete_file_is_unknown(tmp_path, line):
    """What `containerd config default` prints loses nothing, and every key in it has a rule."""
    got = imported(tmp_path, (DEFAULTS / f"{line}.toml").read_text(), int(line[0]))
    assert [str(note) for note in got.notes if note.why in {Why.LOST, Why.CHANGED}] == []
    assert result(got) == parse(render(got, [], everything=True))


@pytest.mark.parametrize("line", LINES)
def test_each_key_of_the_plugin_in_a_complete_file_has_a_line(tmp_path, line):
    """Every leaf of the plugin's tables is either in the result or noted: none is dropped in silence."""
    text = (DEFAULTS / f"{line}.toml").read_text()
    got = imported(tmp_path, text, int(line[0]))
    named = {note.origin.path for note in got.notes} | {taken.origin.path for taken in got.values.values()}

    def leaves(table: dict[str, Any], path: tuple[str, ...]) -> list[tuple[str, ...]]:
        if not table and path not in named:
            return [path] if path[-1] not in {"options", "runtimes", "pinned_images"} else []
        return [
            leaf
            for key, value in table.items()
            for leaf in (leaves(value, (*path, key)) if isinstance(value, dict) else [(*path, key)])
        ]

    document = tomllib.loads(text)
    for plugin in (CRI, IMAGES, RUNTIME, TRANSFER):
        for leaf in leaves(document["plugins"][plugin[1]], plugin) if plugin[1] in document["plugins"] else ():
            assert any(leaf[:n] in named for n in range(2, len(leaf) + 1)), leaf


def test_a_key_of_version_2_in_a_file_of_version_3_is_not_taken(tmp_path):
    """containerd 2.x does not read it there, so taking it would change the node."""
    got = imported(tmp_path, 'version = 3\n[plugins."io.containerd.grpc.v1.cri"]\nsandbox_image = "x"\n')
    (note,) = got.notes
    assert note.why is Why.LOST
    assert "another place" in note.reason
    assert result(got) == Config()
