"""A running daemon reads its configuration again: what changes, what waits for a restart, and what changes nothing."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from dataclasses import is_dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import pytest
import structlog
from msgspec import structs

import cri_shim
from cri_shim.concurrency.supervisor import Supervisor
from cri_shim.config import Config, ConfigError, Problem
from cri_shim.config.key import keys_of
from cri_shim.daemon.reload import Reloader, Reloads
from cri_shim.daemon.trace_views import TraceViews
from cri_shim.ledger.trace_policy import TracePolicy
from cri_shim.rpc import RPCS, Kind, Rpc
from cri_shim.server.current import Current
from tests.fakes.cri import Client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from cri_shim.service import Service


class FakeNotifier:
    """What systemd would be told."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def reloading(self) -> None:
        self.sent.append("reloading")

    def ready(self, status: str) -> None:
        self.sent.append(status)


class Running:
    """A daemon's reloader in front of a real service; ``wanted`` is what its file says."""

    def __init__(self, service: Service) -> None:
        self.current = Current(service)
        self.wanted: Config | Exception = service.config
        self.notifier = FakeNotifier()
        self.reloads = Reloads()
        self.supervisor = Supervisor()
        self.traces = TraceViews(service.ledger, self.supervisor)
        self.reads = 0
        self.reloader = Reloader(
            read=self.read,
            current=self.current,
            traces=self.traces,
            notifier=cast("Any", self.notifier),
            supervisor=self.supervisor,
            reloads=self.reloads,
        )

    def read(self) -> Config:
        self.reads += 1
        if isinstance(self.wanted, Exception):
            raise self.wanted
        return self.wanted

    @property
    def config(self) -> Config:
        return self.current.service.config


@pytest.fixture
async def running(service: Service) -> AsyncIterator[Running]:
    daemon = Running(service)
    yield daemon
    await daemon.traces.close()
    await daemon.supervisor.stop()


def with_value(section: Any, path: tuple[str, ...], value: object) -> Any:
    """``section`` with another value at ``path``; runtime handlers are in a mapping."""
    first, *rest = path
    if isinstance(section, MappingProxyType):
        return MappingProxyType({**section, first: with_value(section[first], tuple(rest), value)})
    if not rest:
        return replace(section, **{first: value})
    return replace(section, **{first: with_value(getattr(section, first), tuple(rest), value)})


def value_at(section: Any, path: tuple[str, ...]) -> Any:
    for each in path:
        section = section[each] if isinstance(section, MappingProxyType) else getattr(section, each)
    return section


def paths(section: Any, *, live: bool, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The attribute paths of all keys that are live, or of all others."""
    for key in keys_of(type(section)):
        value = getattr(section, key.attribute)
        here = (*before, key.attribute)
        if isinstance(value, MappingProxyType):
            yield from paths(value["runc"], live=live, before=(*here, "runc"))
        elif is_dataclass(value):
            yield from paths(value, live=live, before=here)
        elif key.live is live:
            yield here


def another(path: tuple[str, ...], value: Any) -> Any:
    """A value that the key does not have yet."""
    words = {"log_level": "error", "log_format": "json", "infra": "pinned", "pull": "transfer", "protocol": "grpc"}
    words |= {"ip_pref": "ipv6", "containerd_spans": "receive", "endpoint": "http://127.0.0.1:9"}
    if path[-1] in words:
        return words[path[-1]]
    if isinstance(value, bool):
        return not value
    if isinstance(value, tuple):
        return (*value, "/another")
    return f"{value}/another" if isinstance(value, str) else value + 1


HELD: dict[str, Callable[[Service], object]] = {
    "log_level": lambda _: structlog.get_config()["wrapper_class"],
    "log_format": lambda _: repr(structlog.get_config()["processors"]),
    "containerd.ignore_deprecation_warnings": lambda service: service.deprecations.ignored,
    "cni.bin_dir": lambda service: service.network._runner._bin_dirs,
    "cni.bin_dirs": lambda service: service.network._runner._environment["CNI_PATH"],
    "cni.max_conf_num": lambda service: service.network._config.max_conf_num,
    "cni.conf_template": lambda service: service.network._config.conf_template,
    "cni.ip_pref": lambda service: service.network._config.ip_pref,
    "cni.setup_serially": lambda service: service.network._config.setup_serially,
    "cni.timeout": lambda service: service.network._config.timeout,
    "image.sandbox_image": lambda service: service.images._pinned,
    "image.pull": lambda service: service.puller._settings.transfer,
    "image.max_concurrent_downloads": lambda service: service.puller._settings.max_concurrent_downloads,
    "image.max_total_downloads": lambda service: service.puller._fetcher._slots._value,
    "image.image_pull_progress_timeout": lambda service: (
        service.puller._settings.progress_timeout,
        service.puller._fetcher._limits.progress_timeout,
        service.images.unpacker.progress_timeout,
    ),
    "image.stats_collect_period": lambda service: service.snapshot_usage.period,
    "image.registry.config_path": lambda service: service.puller._settings.directories,
    "image.verifier.bin_dir": lambda service: service.puller._settings.verifier.bin_dir,
    "image.verifier.max_verifiers": lambda service: service.puller._settings.verifier.max_verifiers,
    "image.verifier.per_verifier_timeout": lambda service: service.puller._settings.verifier.per_verifier_timeout,
    "runtime.max_container_log_line_size": lambda service: service.logs.max_line,
    "runtime.blockio_config_file": lambda service: service.blockio,
    "runtime.cdi_spec_dirs": lambda service: service.cdi._directories,
    "runtime.starts_at_once": lambda service: [
        each._width for each in (service.pod_starts, service.pod_stops, service.container_starts)
    ],
    "stream.stream_idle_timeout": lambda service: service.streaming.idle_timeout,
    "tracing.sampling_ratio": lambda service: service.traces,
}
"""Live keys that a part of the daemon holds, by where that part has them."""

BY_THE_DAEMON = {"shutdown_grace", "tracing.endpoint", "tracing.protocol", "tracing.service_name"}
"""Live keys that the daemon itself reads from ``service.config`` or gives to :class:`TraceViews`; see their tests."""

LIVE = {".".join(path): path for path in paths(Config(), live=True)}


@pytest.mark.parametrize("key", LIVE)
async def test_a_live_key_takes_effect(running: Running, key: str, tmp_path: Path) -> None:
    """The next request reads it, and a part that holds it for itself has the new value."""
    path, classes = LIVE[key], tmp_path / "classes.yaml"
    classes.write_text("Classes:\n  slow:\n    - Weight: 80\n")
    if key.startswith("tracing."):
        running.wanted = with_value(running.config, ("tracing", "endpoint"), "http://127.0.0.1:19")
        await running.reloader.reload()
    held_by = HELD.get(key, lambda service: value_at(service.config, path))
    before, old = held_by(running.current.service), running.config
    value = str(classes) if key == "runtime.blockio_config_file" else another(path, value_at(old, path))
    value = 0.5 if key == "tracing.sampling_ratio" else value
    running.wanted = with_value(old, path, value)
    assert await quiet(running) == []
    assert value_at(running.config, path) == value
    await asyncio.sleep(0)
    assert held_by(running.current.service) != before
    assert [change.key for change in running.reloads.waiting] == []


async def quiet(running: Running) -> list[str]:
    """Reload; return what was refused."""
    await running.reloader.reload()
    return [status for status in running.notifier.sent if "refused" in status]


def test_a_live_key_that_a_part_holds_is_switched() -> None:
    """What the wiring takes out of the configuration at the start has a place above, where it is seen to change."""
    top = Path(cri_shim.__file__).parent
    files = [top / "cli.py", *(top / "daemon").glob("*.py"), *(top / "node").glob("*.py")]
    others = {"reload.py", "live_settings.py"}
    text = "".join(path.read_text() for path in files if path.name not in others)
    held = {key for key, path in LIVE.items() if re.search(rf"\.{path[-1]}\b", text)}
    assert held <= {*HELD, *BY_THE_DAEMON}
    assert {*HELD, *BY_THE_DAEMON} <= set(LIVE)


async def test_all_other_keys_wait_for_a_restart(running: Running) -> None:
    """Each is named with both values, and the daemon keeps the old ones everywhere."""
    old = running.config
    waiting = [path for path in paths(old, live=False) if path[-1] not in {"containerd_spans", "enabled"}]
    wanted = old
    for path in waiting:
        wanted = with_value(wanted, path, another(path, value_at(old, path)))
    running.wanted = wanted
    with structlog.testing.capture_logs() as logs:
        await running.reloader.reload()
    assert running.config == old
    named = [line for line in logs if line["event"] == "daemon.restart_needed"]
    assert len(named) == len(waiting) == len(running.reloads.waiting)
    root = next(line for line in named if line["key"] == "root")
    assert (json.loads(root["running"]), json.loads(root["file"])) == (old.root, wanted.root)
    assert "a restart is needed for root, " in running.notifier.sent[-1]


async def test_a_wrong_file_changes_nothing(running: Running) -> None:
    """All of its mistakes are in one line of the log, and the first one in the status of the unit."""
    before = running.current.service
    running.wanted = ConfigError([Problem("f", 3, "log_level", "is odd"), Problem("f", 9, "x", "unknown key")])
    with structlog.testing.capture_logs() as logs:
        await running.reloader.reload()
    assert running.current.service is before
    assert [(line["event"], line["problems"]) for line in logs] == [
        ("daemon.reload_refused", ["f:3: log_level: is odd", "f:9: x: unknown key"])
    ]
    assert running.reloads.outcomes == {"ok": 0, "refused": 1}
    assert running.notifier.sent[0] == "reloading"
    assert running.notifier.sent[1].startswith("serving; the configuration of ")
    assert running.notifier.sent[1].endswith("nothing has changed: f:3: log_level: is odd (and 1 more, see the log)")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"tracing": {"endpoint": "ftp://collector"}}, "is not a URL"),
        ({"tracing": {"endpoint": "http://127.0.0.1:9"}, "ledger": {"enabled": False}}, "ledger.enabled is false"),
        ({"runtime": {"blockio_config_file": "/nowhere"}}, "runtime.blockio_config_file: /nowhere: No such file"),
    ],
)
async def test_what_cannot_be_prepared_is_refused_as_a_whole(
    running: Running, changed: dict[str, dict[str, object]], said: str
) -> None:
    """The other keys of such a file are not taken over either."""
    before = running.current.service
    wanted = replace(running.config, log_level="debug")
    for section, values in changed.items():
        for key, value in values.items():
            wanted = with_value(wanted, (section, key), value)
    running.wanted = wanted
    (status,) = await quiet(running)
    assert said in status
    assert running.current.service is before


@pytest.mark.parametrize(("source", "what"), [("/f.toml", "/f.toml sets no key"), ("", "the file is gone")])
async def test_a_file_without_a_key_is_no_wish_for_all_defaults(running: Running, source: str, what: str) -> None:
    """An editor empties a file before it writes it; a daemon that has the defaults anyway has nothing to refuse."""
    before = running.current.service
    running.wanted = replace(running.config, log_level="debug", source=source, sets_nothing=True)
    (status,) = await quiet(running)
    assert f"{what}, so every key would have its default; restart cri-shim if that is meant" in status
    assert running.current.service is before
    running.notifier.sent.clear()
    running.wanted = replace(running.config, source=source, sets_nothing=True)
    assert await quiet(running) == []


async def test_tracing_that_needs_a_restart_waits_with_it(running: Running) -> None:
    """A collector is of no use as long as the running daemon has no ledger."""
    service = running.current.service
    off = with_value(service.config, ("ledger", "enabled"), value=False)
    running.current.replace(structs.replace(service, config=off))
    running.wanted = with_value(service.config, ("tracing", "endpoint"), "http://127.0.0.1:9")
    assert await quiet(running) == []
    assert [change.key for change in running.reloads.waiting] == ["ledger.enabled", "tracing.endpoint"]
    assert running.config.tracing.endpoint == ""


async def test_a_request_keeps_the_configuration_that_it_began_with(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is under way sees none of the new settings, and the next request sees all of them."""
    began, changed = asyncio.Event(), asyncio.Event()
    seen: list[str] = []

    async def version(service: Service, _request: object) -> bytes:
        began.set()
        await changed.wait()
        seen.append(service.config.log_level)
        return b""

    monkeypatch.setitem(cast("Any", RPCS), "Version", Rpc(version, Kind.READ))
    client = Client(service)
    first = asyncio.ensure_future(client.Version())
    await began.wait()
    client.current.replace(structs.replace(service, config=replace(service.config, log_level="error")))
    changed.set()
    await first
    await client.Version()
    assert seen == ["info", "error"]


async def test_signals_during_a_reload_become_one_more(running: Running) -> None:
    """The file of the last signal is read for sure, and no more often than that."""
    wanted, gate = asyncio.Event(), asyncio.Event()
    began = 0
    reload = running.reloader.reload

    async def slow() -> None:
        nonlocal began
        began += 1
        await gate.wait()
        await reload()

    running.reloader.reload = slow  # type: ignore[method-assign]
    task = asyncio.ensure_future(running.reloader.run(wanted))
    wanted.set()
    while not began:
        await asyncio.sleep(0)
    for _ in range(5):
        wanted.set()
    gate.set()
    while running.reads < 2 or wanted.is_set():
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)
    assert (began, running.reads) == (2, 2)
    task.cancel()


async def test_another_level_applies_to_the_lines_of_requests(running: Running) -> None:
    """The logger that requests share is bound anew."""
    assert running.current.log.is_enabled_for(logging.WARNING)
    running.wanted = replace(running.config, log_level="error")
    await running.reloader.reload()
    assert not running.current.log.is_enabled_for(logging.WARNING)
    running.wanted = replace(running.config, log_level="debug")
    await running.reloader.reload()
    assert running.current.log.is_enabled_for(logging.DEBUG)


async def test_spans_go_to_the_collector_of_the_file(running: Running) -> None:
    """The exporter of before is ended, without a collector there is none, and the policy of traces follows."""
    exports = []
    for endpoint in ("http://127.0.0.1:9", "http://127.0.0.1:19", ""):
        running.wanted = with_value(running.config, ("tracing", "endpoint"), endpoint)
        await running.reloader.reload()
        exports.append(running.traces._senders.export)
        assert (running.current.service.traces == TracePolicy()) is (not endpoint)
    assert exports[0] is not exports[1]
    assert exports[2] is None
    listeners = running.current.service.ledger._listeners
    assert not {exports[0], exports[1]} & set(listeners)
