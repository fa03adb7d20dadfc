"""Configurations that come, change and go while the daemon runs."""

from __future__ import annotations

import asyncio
import json
import shutil
from typing import TYPE_CHECKING

import pytest

from cri_shim.network import NetworkError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cri_shim.network import Network

    from .conftest import Lab


async def until(condition: Callable[[], bool], seconds: float = 2.0) -> bool:
    """Wait for a condition well below the poll interval of 5 s, so that only inotify can have been it."""
    for _ in range(int(seconds / 0.02)):
        if condition():
            return True
        await asyncio.sleep(0.02)
    return False


def names(network: Network) -> tuple[str, ...]:
    return network.status().networks


def simple(name: str) -> dict[str, object]:
    return {"cniVersion": "1.0.0", "name": name, "plugins": [{"type": "bridge"}]}


async def test_directory_that_appears_later(lab: Lab) -> None:
    """A node without the directory becomes ready when it is made with a configuration in it."""
    lab.conf_dir.rmdir()
    network = lab.network()
    await network.start()
    try:
        status = network.status()
        assert not status.ready
        assert str(lab.conf_dir) in status.message
        await asyncio.sleep(0.2)
        lab.write(simple("late"))
        assert await until(lambda: network.status().ready)
        assert names(network) == ("late",)
    finally:
        await network.stop()


async def test_changes_are_picked_up(lab: Lab) -> None:
    """A rewritten, a smaller-named, a removed file and a replaced directory are all noticed."""
    lab.write(simple("one"))
    network = lab.network()
    await network.start()
    try:
        assert names(network) == ("one",)
        await asyncio.sleep(0.1)
        (lab.conf_dir / "10-test.conflist").write_text(json.dumps(simple("two")))
        assert await until(lambda: names(network) == ("two",))
        lab.write(simple("first"), "00-first.conflist")
        assert await until(lambda: names(network) == ("first",))
        (lab.conf_dir / "00-first.conflist").unlink()
        assert await until(lambda: names(network) == ("two",))
        shutil.rmtree(lab.conf_dir)
        assert await until(lambda: not network.status().ready)
        other = lab.conf_dir.with_name("other")
        other.mkdir()
        (other / "10.conflist").write_text(json.dumps(simple("three")))
        other.rename(lab.conf_dir)
        assert await until(lambda: names(network) == ("three",))
    finally:
        await network.stop()


async def test_poll_sees_what_inotify_misses(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any inotify handle the poll alone brings the change."""

    def refuse(**_: object) -> None:
        raise OSError(24, "too many open files")

    monkeypatch.setattr("cri_shim.network.watcher.Inotify", refuse)
    lab.write(simple("one"))
    network = lab.network(poll_interval=0.1)
    await network.start()
    try:
        lab.write(simple("two"))
        assert await until(lambda: names(network) == ("two",))
    finally:
        await network.stop()


async def test_broken_file_is_passed_over_and_named(lab: Lab) -> None:
    """A broken file does not hide the good one after it; alone, it is the reason in the status."""
    (lab.conf_dir / "00-broken.conflist").write_text("{")
    network = lab.network()
    await network.refresh()
    assert "00-broken.conflist: not JSON" in network.status().message
    lab.write(simple("good"))
    await network.refresh()
    assert names(network) == ("good",)


async def test_plugin_status_decides_readiness(lab: Lab) -> None:
    """From version 1.1.0 on a plugin may say that it cannot take pods, and take that back."""
    lab.plugin(
        "fake-status",
        f'cat >/dev/null; [ -e {lab.directory}/up ] || {{ echo \'{{"code":50,"msg":"not yet"}}\'; exit 1; }}',
    )
    lab.write({"cniVersion": "1.1.0", "name": "new", "plugins": [{"type": "fake-status"}]})
    network = lab.network(poll_interval=0.1)
    await network.start()
    try:
        assert await until(lambda: "not yet" in network.status().message)
        assert not network.status().ready
        (lab.directory / "up").touch()
        assert await until(lambda: network.status().ready)
    finally:
        await network.stop()


async def test_template_makes_the_configuration_once(lab: Lab) -> None:
    """UpdateRuntimeConfig's pod CIDR fills the template; a node that is ready already is left alone."""
    template = lab.directory / "template"
    text = json.dumps({**simple("from-template"), "ranges": "RANGES"})
    template.write_text(
        text.replace('"RANGES"', '[{{range $i, $r := .PodCIDRRanges}}{{if $i}}, {{end}}"{{$r}}"{{end}}]')
    )
    network = lab.network(conf_template=str(template))
    await network.set_pod_cidr("10.213.0.0/24,fd00::/64")
    file = lab.conf_dir / "10-containerd-net.conflist"
    assert json.loads(file.read_text())["ranges"] == ["10.213.0.0/24", "fd00::/64"]
    assert names(network) == ("from-template",)
    before = file.stat()
    await network.set_pod_cidr("10.214.0.0/24")
    assert file.stat() == before


async def test_unusable_template_is_an_error(lab: Lab) -> None:
    """A template that gives no network configuration is refused, and no file is written."""
    template = lab.directory / "template"
    template.write_text("{{.PodCIDR}}")
    with pytest.raises(NetworkError, match=str(template)):
        await lab.network(conf_template=str(template)).set_pod_cidr("10.213.0.0/24")
    assert list(lab.conf_dir.iterdir()) == []
