"""Start and stop the daemon, in order.

Start: lock the socket, root, state and containerd's namespace → containerd client → network, logs → event stream (which
reads pods and images) → serve → READY. Stop: refuse new mutations → stop serving within the grace period → operations
end or are undone → close. Pods keep running: their shims are containerd's children, and the next daemon finds them
again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import structlog
import uvloop

import cri_shim
from cri_shim.concurrency.supervisor import Supervisor
from cri_shim.daemon import early_signals
from cri_shim.daemon.endpoint import Endpoint, directory_locks, namespace_lock, socket_lock
from cri_shim.daemon.ignored_signals import IGNORED_SIGNALS
from cri_shim.daemon.reload import Reloader, Reloads
from cri_shim.daemon.sd_notify import Notifier
from cri_shim.daemon.views import open_views
from cri_shim.daemon.wiring import wire
from cri_shim.disk.own_directories import make_own_directories
from cri_shim.doctor.at_start import reason_not_to_start
from cri_shim.doctor.facts.place import Place
from cri_shim.kernel import LinuxKernel
from cri_shim.kernel.executors import FS, run
from cri_shim.ledger.front.front_probe import FrontProbe
from cri_shim.ledger.front.probe_ledger import ProbeLedger
from cri_shim.ledger.learned_file import LearnedFile
from cri_shim.ledger.null_call import NullCall
from cri_shim.node.handler_features import read_features, read_unanswered
from cri_shim.oci.node_facts import NodeFacts
from cri_shim.os_errors import cri_error_of
from cri_shim.paths import Paths
from cri_shim.server.current import Current
from cri_shim.server.instrument import MESSAGE_LIMIT, handlers, probe_handler
from cri_shim.streaming.orphaned_execs import end_orphaned, open_orphaned
from cri_shim.sync.lost_namespaces import watch
from cri_shim.telemetry.daemon_facts import DaemonFacts
from cri_shim.telemetry.loop_lag import LoopLag
from cri_shim.telemetry.tracing import tracing_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from cri_shim.config import Config
    from cri_shim.service import Service
    from cri_shim.sync.readiness import Readiness

FIRST_READ_SECONDS = 30.0
"""How long the socket waits for pods to be read, so that no client gets "not yet" from a daemon that is nearly ready.
While containerd is away the socket opens at once, and Status says what the daemon is waiting for."""

MOST_PENDING = 65536
"""Calls that have arrived and wait for the event loop. gRPC's own limit of 1000 cancels some calls of a burst."""

_UNDO_SECONDS = 5.0
"""Part of the shutdown grace period that is reserved for undoing what did not end by itself."""

log = structlog.get_logger(__name__)


def serve(config: Config, read_again: Callable[[], Config]) -> int:
    """Run the daemon until SIGTERM or SIGINT; return the exit code.

    ``read_again`` returns the settings anew, from the same file and flags; it raises a ConfigError as the start does.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(Daemon(config, read_again).run())
        except OSError as error:
            log.error("daemon.failed", error=str(error if error.errno is None else cri_error_of(error)))
            return 1


class Daemon:
    """One run of the daemon; :mod:`cri_shim.daemon.wiring` makes its parts."""

    def __init__(self, config: Config, read_again: Callable[[], Config]) -> None:
        self._config = config
        self._read_again = read_again
        self._stop = asyncio.Event()
        self._reload_wanted = asyncio.Event()
        self._reloads = Reloads()
        self._exit_code = 0
        self._notifier = Notifier.from_environment()
        self._loop_lag = LoopLag()
        self._tracing = tracing_of(
            config.tracing, os.environ, http_address=config.http.address, ledger=config.ledger.enabled
        )

    async def run(self) -> int:
        """Serve until a signal stops the daemon; raises OSError when it cannot start, or the socket cannot be made."""
        config = self._config
        if reason := reason_not_to_start(config, Place.here()):
            raise OSError(reason)
        self._catch_signals()
        paths = Paths(Path(config.root), Path(config.state), config.runtime.netns_mounts_under_state_dir)
        make_own_directories(paths)
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(socket_lock(config.socket_path))
            stack.enter_context(directory_locks(paths))
            stack.enter_context(namespace_lock(config.containerd.address, config.containerd.namespace))
            supervisor = Supervisor()
            node = NodeFacts.read()
            features = await read_features(config, node)
            wired = wire(
                config,
                paths,
                supervisor,
                self._tracing.policy(),
                kernel=LinuxKernel(),
                node=node,
                features=features,
                facts=DaemonFacts(self._loop_lag),
            )
            service, monitor, pump = wired.service, wired.monitor, wired.pump
            stack.push_async_callback(service.containerd.close)
            stack.push_async_callback(service.puller.close)
            pump.start()
            stack.callback(pump.stop)
            service.streaming.bind()
            stack.push_async_callback(service.streaming.stop)
            await service.network.start()
            stack.push_async_callback(service.network.stop)
            traces = open_views(
                wired,
                self._tracing,
                lag=self._loop_lag,
                reloads=self._reloads,
                supervisor=supervisor,
                stack=stack,
            )
            stack.push_async_callback(supervisor.stop)
            supervisor.once("handler-features", read_unanswered(features, config, node))
            orphaned = await run(FS, open_orphaned, paths.containers_state())
            if orphaned:
                supervisor.once("orphaned-execs", end_orphaned(service.containerd, orphaned))
            monitor.start()
            supervisor.forever("snapshot-usage", service.snapshot_usage.run)
            supervisor.forever("stats", service.stats.run)
            supervisor.forever("lost-namespaces", lambda: watch(service.kernel, paths.netns_dir(), service.sandboxes))
            supervisor.forever("shim-script", service.shim_calls.keep_script)
            supervisor.forever("watchdog", self._notifier.feed_watchdog)
            supervisor.forever("loop-lag", self._loop_lag.run)
            if config.ledger.enabled:
                learned = LearnedFile(
                    paths.learned_transport(),
                    service.ledger.transport.methods,
                    lambda: service.readiness.containerd_version,
                )
                await learned.read()
                stack.push_async_callback(learned.write)
                supervisor.forever("learned-transport", learned.run)
                null_call = NullCall(service.containerd, service.ledger, lambda: service.readiness.ready)
                supervisor.forever("null-call", null_call.run)
            await self._until_read(service.readiness)
            probe = ProbeLedger(service.ledger) if config.ledger.enabled else None
            service.ledger.front.lag = lambda: self._loop_lag.last
            current = Current(service)
            endpoint = Endpoint(
                config.socket_path, config.socket_mode, lambda: _server(current, probe), self._socket_lost
            )
            await endpoint.open()
            supervisor.forever("socket", endpoint.watch)
            supervisor.once("request-names", _name_requests(service))
            if probe is not None:
                supervisor.forever("front-probe", FrontProbe(config.socket_path, probe).run)
            log.info("daemon.serving", socket=config.socket_path, version=cri_shim.__version__)
            self._notifier.ready(service.readiness.reason or "serving")
            reloader = Reloader(
                read=self._read_again,
                current=current,
                traces=traces,
                notifier=self._notifier,
                supervisor=supervisor,
                reloads=self._reloads,
            )
            reloading = supervisor.forever("reload", lambda: reloader.run(self._reload_wanted))
            await self._stop.wait()
            _ignore_from_now_on()
            reloading.cancel()  # its end would report to systemd that the daemon is ready
            await asyncio.wait([reloading])
            await self._shut_down(endpoint, current.service)
        log.info("daemon.stopped")
        return self._exit_code

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_requested, number)
        # Not by the loop: it would give them their default action for a moment when they are to be ignored.
        _catch(loop, signal.SIGHUP, self._reload_wanted.set)
        if early_signals.reload_wanted():
            self._reload_wanted.set()
        for number in IGNORED_SIGNALS:
            _catch(loop, number, partial(_ignored, number))

    def _stop_requested(self, number: int) -> None:
        if self._stop.is_set():
            log.warning("daemon.stopped_at_once", signal=signal.Signals(number).name)
            sys.exit(1)
        log.info("daemon.stopping", signal=signal.Signals(number).name)
        self._stop.set()

    def _socket_lost(self) -> None:
        """Stop, so that the service manager starts another daemon: one without a socket is useless."""
        self._exit_code = 1
        self._stop.set()

    async def _until_read(self, readiness: Readiness) -> None:
        """Wait for the first reading of pods and images, but not for ever for a containerd that is away."""
        waiting = [asyncio.ensure_future(readiness.wait_known()), asyncio.ensure_future(self._stop.wait())]
        await asyncio.wait(waiting, timeout=FIRST_READ_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        if not readiness.ready:
            log.warning("daemon.containerd_not_ready", reason=readiness.reason)

    async def _shut_down(self, endpoint: Endpoint, service: Service) -> None:
        self._notifier.stopping("requests in flight end or are undone; pods keep running")
        grace = max(0.0, service.config.shutdown_grace - _UNDO_SECONDS)
        service.events.close()
        await service.streaming.stop()
        await asyncio.gather(endpoint.stop(grace), service.operations.drain(grace, _UNDO_SECONDS))


async def _name_requests(service: Service) -> None:
    """Name the requests that were refused because the pods were not read yet, once they are."""
    await service.readiness.wait_read()
    service.ledger.name_again()


def _catch(loop: asyncio.AbstractEventLoop, number: int, callback: Callable[[], None]) -> None:
    def caught(_number: int, _frame: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the daemon could not start, and ends
            loop.call_soon_threadsafe(callback)

    signal.signal(number, caught)


def _ignore_from_now_on() -> None:
    """Ignore what would end the process when the event loop is closed and runs no callbacks any more."""
    for number in (signal.SIGHUP, *IGNORED_SIGNALS):
        signal.signal(number, signal.SIG_IGN)


def _ignored(number: int) -> None:
    log.info("daemon.signal_ignored", signal=signal.Signals(number).name)


def _server(current: Current, probe: ProbeLedger | None) -> grpc.aio.Server:
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", MESSAGE_LIMIT),
            ("grpc.max_send_message_length", MESSAGE_LIMIT),
            ("grpc.server.max_pending_requests", MOST_PENDING),
            ("grpc.server.max_pending_requests_hard_limit", MOST_PENDING),
            ("grpc.so_reuseport", 0),
            # A probe is a ping with each request after a quiet moment; on a unix socket there is nothing to learn.
            ("grpc.http2.bdp_probe", 0),
        ]
    )
    server.add_generic_rpc_handlers(handlers(current))
    if probe is not None:
        server.add_generic_rpc_handlers([probe_handler(current.service, probe)])
    return server
