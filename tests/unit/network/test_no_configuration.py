"""A node without a network is warned of at the start, once, in words that a person can read."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from cri_shim.daemon import logging_setup
from cri_shim.network import CniConfig, Network

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def log() -> io.StringIO:
    """What the daemon would write."""
    out = io.StringIO()
    logging_setup.configure("info", "logfmt", stream=out)
    return out


def node_with(directory: Path) -> Network:
    return Network(cast("Any", None), CniConfig(conf_dir=str(directory), cache_dir=str(directory / "cache")))


async def test_a_directory_without_a_configuration(log: io.StringIO, tmp_path: Path) -> None:
    """It is said once, not at each look into the directory, and again when the configuration is lost."""
    network = node_with(tmp_path)
    for _ in range(3):
        await network.refresh()
    (line,) = log.getvalue().splitlines()
    assert f"level=warning event=network.no_configuration directory={tmp_path} problems=" in line
    assert network.ready is False
    conf = tmp_path / "a.conflist"
    conf.write_text(json.dumps({"cniVersion": "1.0.0", "name": "one", "plugins": [{"type": "loopback"}]}))
    await network.refresh()
    assert "level=info event=network.configuration_read networks=one" in log.getvalue()
    assert network.status().ready
    conf.unlink()
    await network.refresh()
    assert log.getvalue().count("network.no_configuration") == 2


async def test_files_that_cannot_be_used_are_named(log: io.StringIO, tmp_path: Path) -> None:
    """One after the other, without the marks of a Python list."""
    for name in ("a.conflist", "b.conflist"):
        (tmp_path / name).write_text("{")
    await node_with(tmp_path).refresh()
    (line,) = log.getvalue().splitlines()
    assert "level=warning event=network.no_configuration" in line
    assert "a.conflist: " in line
    assert "b.conflist: " in line
    assert not {"[", "('", "]"} & set(line.partition("problems=")[2].split())
    assert "['" not in line
    assert "('" not in line
