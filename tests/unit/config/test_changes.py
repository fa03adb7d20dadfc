"""Two configurations compared, and what a running daemon takes over of the newer one."""

from __future__ import annotations

import re
from dataclasses import is_dataclass
from pathlib import Path

from cri_shim.config import Config, changes, parse, with_live_keys
from cri_shim.config.key import keys_of
from cri_shim.config.schema import RuntimeHandler

OLD = """
log_level = "info"
shutdown_grace = "25s"
root = "/a"
[containerd.runtimes.runc]
pod_annotations = ["x"]
[containerd.runtimes.gone]
[cni]
timeout = "1m"
"""
NEW = """
log_level = "debug"
shutdown_grace = "90s"
root = "/b"
[containerd.runtimes.runc]
pod_annotations = ["x", "y"]
runtime_path = "/shim"
[containerd.runtimes."my.new"]
[cni]
timeout = "1m"
"""


def test_every_difference_is_named_with_both_values():
    """In the words of the file, in its order, with whether a reload is enough."""
    named = [(str(change), change.live) for change in changes(parse(OLD), parse(NEW))]
    assert named == [
        ('root: "/a" -> "/b"', False),
        ('log_level: "info" -> "debug"', True),
        ('shutdown_grace: "25s" -> "1m30s"', True),
        ('containerd.runtimes.runc.runtime_path: "" -> "/shim"', False),
        ('containerd.runtimes.runc.pod_annotations: ["x"] -> ["x", "y"]', True),
        ("containerd.runtimes.gone: (present) -> (absent)", False),
        ('containerd.runtimes."my.new": (absent) -> (present)', False),
    ]


def test_equal_configurations_have_no_difference():
    """Also when their files differ."""
    assert changes(parse("log_level = 'info'"), Config()) == ()


def test_the_running_daemon_takes_the_live_keys_alone():
    """What then still differs from the file is exactly what needs a restart."""
    running, wanted = parse(OLD), parse(NEW)
    merged = with_live_keys(running, wanted)
    assert all(change.live for change in changes(running, merged))
    left = changes(merged, wanted)
    assert [change.key for change in left] == [change.key for change in changes(running, wanted) if not change.live]
    assert (merged.root, merged.log_level, merged.shutdown_grace) == ("/a", "debug", 90.0)
    assert merged.containerd.runtimes["runc"].pod_annotations == ("x", "y")
    assert merged.containerd.runtimes["runc"].runtime_path == ""
    assert list(merged.containerd.runtimes) == ["runc", "gone"]
    assert running == parse(OLD)


def documented() -> dict[str, dict[str, str]]:
    """The column ``change by`` of docs/configuration.md by table and key."""
    tables: dict[str, dict[str, str]] = {}
    table: dict[str, str] = {}
    for line in (Path(__file__).parents[3] / "docs/configuration.md").read_text().splitlines():
        if line.startswith("## "):
            table = tables.setdefault(line.removeprefix("## ").strip("`"), {})
        if row := re.match(r"\| `(\w+)` \| `.*?` \| (\w+) \|", line):
            table[row[1]] = row[2]
    return {name: table for name, table in tables.items() if table}


def declared(section: object, path: str = "") -> dict[str, dict[str, str]]:
    """The same of the schema."""
    tables: dict[str, dict[str, str]] = {}
    for key in keys_of(type(section)):
        value = getattr(section, key.attribute)
        below = f"{path}{key.name}"
        if key.attribute == "runtimes":
            tables |= declared(RuntimeHandler(), f"{below}.NAME")
        elif is_dataclass(value):
            tables |= declared(value, f"{path.rstrip('.')}{'.' if path else ''}{key.name}.")
        else:
            name = f"[{path.rstrip('.')}]" if path else "Top level"
            tables.setdefault(name, {})[key.name] = "reload" if key.live else "restart"
    return tables


def test_the_documentation_says_of_every_key_what_a_change_needs():
    """docs/configuration.md agrees with the schema."""
    assert documented() == declared(Config())
