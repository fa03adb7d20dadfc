"""Read the configuration again while the daemon runs (SIGHUP), and take over what can change.

A file with a mistake changes nothing: the daemon logs every mistake and goes on as before. Keys that need a restart
keep their old values until then, and each is named with both values. Everything that can fail or takes time comes
first; then :mod:`cri_shim.daemon.live_settings` switches in one step.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from cri_shim.config import ConfigError, changes, with_live_keys
from cri_shim.daemon.live_settings import Prepared, switch
from cri_shim.daemon.trace_views import Senders, senders
from cri_shim.kernel.executors import FS, run
from cri_shim.qos.blockio import BlockioClasses
from cri_shim.telemetry.tracing import Tracing, TracingError, tracing_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cri_shim.concurrency.supervisor import Supervisor
    from cri_shim.config import Change, Config
    from cri_shim.daemon.sd_notify import Notifier
    from cri_shim.daemon.trace_views import TraceViews
    from cri_shim.server.current import Current

_LEVELS = ("debug", "info", "warning", "error")

log = structlog.get_logger(__name__)


class RefusedError(Exception):
    """A configuration that the running daemon cannot take over, although its file can be read."""


class Reloads:
    """What became of the times that the configuration was read again, for metrics and views."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter({"ok": 0, "refused": 0})
        self.waiting: tuple[Change, ...] = ()
        """Keys of the file that wait for a restart."""


class Reloader:
    """Reads the configuration again when asked.

    ``read`` returns the settings of the file and the flags, as at the start.
    """

    def __init__(
        self,
        *,
        read: Callable[[], Config],
        current: Current,
        traces: TraceViews,
        notifier: Notifier,
        supervisor: Supervisor,
        reloads: Reloads,
    ) -> None:
        self._read = read
        self._current = current
        self._traces = traces
        self._notifier = notifier
        self._supervisor = supervisor
        self._reloads = reloads

    async def run(self, wanted: asyncio.Event) -> None:
        """Reload whenever ``wanted`` is set, for ever.

        However often it is set while a reload runs, one more follows.
        """
        while True:
            await wanted.wait()
            wanted.clear()
            await self.reload()

    async def reload(self) -> None:
        """Read the configuration and switch to it, or log why not."""
        self._notifier.reloading()
        outcome = "configuration not read again: the log says why"
        try:
            outcome = await self._reload()
        except ConfigError as error:
            outcome = self._refused([str(problem) for problem in error.problems])
        except (RefusedError, TracingError) as error:
            outcome = self._refused([str(error)])
        finally:
            readiness = self._current.service.readiness
            self._notifier.ready(f"{readiness.reason or 'serving'}; {outcome}")

    async def _reload(self) -> str:
        running = self._current.service.config
        wanted = await run(FS, self._read)
        _refuse_nothing(running, wanted)
        config, tracing = self._possible(running, wanted)
        prepared = Prepared(config, tracing.policy(), await run(FS, partial(_blockio_classes, config)))
        new_senders = await self._new_senders(running, config, tracing)
        changed = changes(running, config)
        self._reloads.waiting = changes(config, wanted)
        self._reloads.outcomes["ok"] += 1
        self._current.service.facts.note_reload(restart_needed=[each.key for each in self._reloads.waiting])
        quieter = _LEVELS.index(config.log_level) > _LEVELS.index(running.log_level)
        if quieter:
            _log(changed, self._reloads.waiting)
        switch(self._current, prepared)
        if new_senders is not None:
            self._traces.use(new_senders)
        if running.image.sandbox_image != config.image.sandbox_image:
            images = self._current.service.images
            self._supervisor.once("sandbox-image", images.pin([config.image.sandbox_image]))
        if not quieter:
            _log(changed, self._reloads.waiting)
        return _status(changed, self._reloads.waiting)

    def _possible(self, running: Config, wanted: Config) -> tuple[Config, Tracing]:
        """Return what the daemon can work with until it is restarted.

        Raises :class:`TracingError` if the wanted settings of tracing contradict each other.
        """
        _tracing(wanted)
        config = with_live_keys(running, wanted)
        try:
            return config, _tracing(config)
        except TracingError:  # they need a key that waits for a restart, so they wait too
            config = replace(config, tracing=running.tracing)
            return config, _tracing(config)

    async def _new_senders(self, running: Config, config: Config, tracing: Tracing) -> Senders | None:
        """Return what sends spans to another collector; None if it is the same."""
        if running.tracing == config.tracing:
            return None
        return await asyncio.to_thread(senders, tracing, config.containerd.address)

    def _refused(self, problems: Sequence[str]) -> str:
        self._reloads.outcomes["refused"] += 1
        self._current.service.facts.note_reload(refused="; ".join(problems))
        log.error("daemon.reload_refused", problems=list(problems))
        more = f" (and {len(problems) - 1} more, see the log)" if len(problems) > 1 else ""
        return f"the configuration of {_now()} was refused and nothing has changed: {problems[0]}{more}"


def _refuse_nothing(running: Config, wanted: Config) -> None:
    """Refuse a file without a key: it is more often one that is being written than a wish for all defaults."""
    if wanted.sets_nothing and changes(running, wanted):
        what = f"{wanted.source} sets no key" if wanted.source else f"{running.source or 'the file'} is gone"
        raise RefusedError(f"{what}, so every key would have its default; restart cri-shim if that is meant")


def _tracing(config: Config) -> Tracing:
    return tracing_of(config.tracing, os.environ, http_address=config.http.address, ledger=config.ledger.enabled)


def _blockio_classes(config: Config) -> BlockioClasses:
    """Read the classes again, which may have changed although their file has the same name."""
    path = config.runtime.blockio_config_file
    classes = BlockioClasses.load(path)
    if classes.reason and path:
        raise RefusedError(f"runtime.blockio_config_file: {classes.reason}")
    return classes


def _log(changed: Sequence[Change], waiting: Sequence[Change]) -> None:
    log.info("daemon.reloaded", changed=[str(change) for change in changed], waiting=[each.key for each in waiting])
    for each in waiting:
        log.warning("daemon.restart_needed", key=each.key, running=each.before, file=each.after)


def _status(changed: Sequence[Change], waiting: Sequence[Change]) -> str:
    parts = ", ".join(change.key for change in changed) or "nothing"
    restart = f"; a restart is needed for {', '.join(each.key for each in waiting)}" if waiting else ""
    return f"configuration of {_now()}: changed {parts}{restart}"


def _now() -> str:
    return time.strftime("%H:%M:%S")
