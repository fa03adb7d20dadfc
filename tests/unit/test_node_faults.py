"""A node that has run out of something: what the file at hand is like, is not known, and nothing is concluded of it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import resource
from typing import TYPE_CHECKING, Any, cast

import grpc
import pytest

from cri_shim.cdi.registry import CdiRegistry
from cri_shim.errors import FailedPreconditionError
from cri_shim.images.image_files import ImageFiles
from cri_shim.kernel import LinuxKernel
from cri_shim.lifecycle.sandbox.pod_files import node_file
from cri_shim.network.config import CniConfig
from cri_shim.network.conflist import load_directory
from cri_shim.network.errors import CniError
from cri_shim.network.exec import PluginExec
from cri_shim.network.network import Network
from cri_shim.server.unexpected import in_words

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def no_descriptors() -> Iterator[None]:
    """Let this process open nothing more."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_file_of_the_node_is_not_blamed(tmp_path):
    """The error has the code and the advice of the shortage, and the path."""
    (tmp_path / "hosts").write_bytes(b"127.0.0.1 localhost")
    with no_descriptors(), pytest.raises(OSError, match="Too many open files") as refused:
        node_file(tmp_path / "hosts")
    meant = in_words(refused.value)
    assert meant is not None
    assert meant.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert str(tmp_path / "hosts") in str(meant)
    assert "LimitNOFILE" in str(meant)


def test_a_cdi_file_is_read_again(tmp_path):
    """Its devices are there as soon as it can be read, though the file has not changed."""
    device = {"name": "x", "containerEdits": {"env": ["A=1"]}}
    (tmp_path / "a.json").write_text(json.dumps({"cdiVersion": "0.3.0", "kind": "v/c", "devices": [device]}))
    registry = CdiRegistry([str(tmp_path)])
    with no_descriptors(), pytest.raises(OSError, match="Too many open files"):
        registry.edits_of(["v/c=x"])
    real = os.open

    def busy(path: Any, *rest: Any) -> int:
        if str(path).endswith("a.json"):
            raise OSError(errno.EMFILE, "Too many open files", path)
        return real(path, *rest)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "open", busy)
        with pytest.raises(FailedPreconditionError, match="Too many open files"):
            registry.edits_of(["v/c=x"])
    assert registry.edits_of(["v/c=x"])[-1].env


def test_users_of_an_image_are_looked_up_again(tmp_path):
    """What is kept of an image holds for as long as there is the image, so a shortage is not kept."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_bytes(b"web:x:7:7::/:/bin/sh\n")
    files = ImageFiles(cast("Any", None), LinuxKernel(), tmp_path)
    with no_descriptors(), pytest.raises(OSError, match="Too many open files"):
        files._read_users(str(tmp_path))
    assert files._read_users(str(tmp_path)).passwd == b"web:x:7:7::/:/bin/sh\n"


async def test_networks_that_cannot_be_read_stay(tmp_path):
    """A configuration that is changed meanwhile is read once that can be done; until then the old one counts."""
    conf = tmp_path / "a.conflist"
    conf.write_text(json.dumps({"cniVersion": "1.0.0", "name": "one", "plugins": [{"type": "loopback"}]}))
    network = Network(cast("Any", None), CniConfig(conf_dir=str(tmp_path), cache_dir=str(tmp_path / "c")))
    await network.refresh()
    conf.write_text(json.dumps({"cniVersion": "1.0.0", "name": "another", "plugins": [{"type": "loopback"}]}))
    with no_descriptors():
        await network.refresh()
    assert [one.name for one in network.networks] == ["one"]
    await network.refresh()
    assert [one.name for one in network.networks] == ["another"]


def test_a_network_that_is_next_is_not_taken_for_the_first(tmp_path, monkeypatch):
    """With the first file unreadable for the moment, the second is not what the node has."""
    for name in ("a", "b"):
        text = json.dumps({"cniVersion": "1.0.0", "name": name, "plugins": [{"type": "loopback"}]})
        (tmp_path / f"{name}.conflist").write_text(text)
    real = os.open

    def busy(path: Any, *rest: Any) -> int:
        if str(path).endswith("a.conflist"):
            raise OSError(errno.EMFILE, "Too many open files", path)
        return real(path, *rest)

    monkeypatch.setattr(os, "open", busy)
    assert load_directory(str(tmp_path), 1).unread


async def test_a_cni_program_that_cannot_be_started(tmp_path):
    """The code says that it is a shortage, and the text where to look."""
    program = tmp_path / "plugin"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    plugins = PluginExec((str(tmp_path),))
    await plugins.run("plugin", "VERSION", {}, {}, time_limit=10)  # what the loop needs for the first child is open
    with no_descriptors(), pytest.raises(CniError, match="LimitNOFILE") as failed:
        await asyncio.wait_for(plugins.run("plugin", "ADD", {}, {}, time_limit=10), 20)
    assert failed.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED
