"""Start-up and shutdown, in order.

Up: lock the socket → containerd client → network, logs → event stream (which reads pods and images)
→ serve → READY.
Down: refuse new mutations → stop serving within the grace period → operations end or are undone → close. Pods keep
running: their shims are containerd's children, and the next daemon finds them again.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import structlog

import cri_shim
from containerd_client import Containerd
from cri_shim.about_node import about_node
from cri_shim.cdi.registry import CdiRegistry
from cri_shim.deprecations import Deprecations
from cri_shim.endpoint import SocketLock, bind
from cri_shim.gauges import gauges
from cri_shim.handler_features import read_features
from cri_shim.hops.containerd_spans import ContainerdSpans
from cri_shim.hops.counts import Counts
from cri_shim.hops.ledger import Ledger, LedgerOff
from cri_shim.hops.listener import Listener
from cri_shim.hops.loop_lag import LoopLag
from cri_shim.hops.null_call import NullCall
from cri_shim.hops.prometheus import MetricsPage
from cri_shim.hops.span_export import span_export
from cri_shim.hops.span_forward import SpanForward
from cri_shim.hops.tracing import tracing_of
from cri_shim.hops.web_sources import WebSources
from cri_shim.images.image_files import ImageFiles
from cri_shim.images.puller import ImagePuller
from cri_shim.instrument import handlers
from cri_shim.kernel.linux import LinuxKernel
from cri_shim.logs.holding import Holding
from cri_shim.logs.pump import LogPump
from cri_shim.logs.registry import ContainerLogs
from cri_shim.network import CniConfig, Network
from cri_shim.oci.node import NodeFacts
from cri_shim.ops.locks import Locks
from cri_shim.ops.operations import Operations
from cri_shim.ops.supervisor import Supervisor
from cri_shim.paths import Paths
from cri_shim.qos.blockio import BlockioClasses
from cri_shim.readiness import Readiness
from cri_shim.rpc import RPCS, Kind
from cri_shim.rpc.container_stats_list import container_subjects
from cri_shim.rpc.sandbox_stats_list import sandbox_subjects
from cri_shim.sd_notify import Notifier
from cri_shim.service import Service
from cri_shim.stats.reader import Reader
from cri_shim.stats.sampler import Sampler
from cri_shim.store.container_events import Events
from cri_shim.store.containers import Container
from cri_shim.store.exits import Exits
from cri_shim.store.images import ImageStore
from cri_shim.store.index import Index
from cri_shim.store.monitor import Monitor
from cri_shim.store.names import Names
from cri_shim.store.recovery import Recovery
from cri_shim.store.sandboxes import Sandbox
from cri_shim.store.selinux_labels import SelinuxLabels, read_selinux_policy
from cri_shim.store.snapshot_usage import SnapshotUsage
from cri_shim.streaming.certificate import server_context
from cri_shim.streaming.server import StreamingServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cri_shim.config import Config
    from cri_shim.handler_features import HandlerFeatures
    from cri_shim.oci.selinux import Policy

MESSAGE_LIMIT = 16 << 20
"""Bytes of one gRPC message, both ways: what the kubelet and containerd use (kubernetes issue 63858)."""

FIRST_READ_SECONDS = 30.0
"""How long the socket is held back for pods to be read, so that nobody is told "not yet" by a daemon that is nearly
there. When containerd is away it is up at once, and Status says what it is waiting for."""

_UNDO_SECONDS = 5.0
"""Part of the shutdown grace that is kept for undoing what did not end by itself."""

log = structlog.get_logger(__name__)


def serve(config: Config) -> int:
    """Run the daemon until SIGTERM or SIGINT; the result is the exit code."""
    with asyncio.Runner() as runner:
        try:
            return runner.run(Daemon(config).run())
        except OSError as error:
            log.error("daemon.failed", error=str(error))
            return 1


class Daemon:
    """The collaborators, wired; see :class:`~cri_shim.service.Service` for what each is."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._stop = asyncio.Event()
        self._notifier = Notifier.from_environment()
        self._loop_lag = LoopLag()
        self._tracing = tracing_of(
            config.tracing, os.environ, http_address=config.http.address, ledger=config.ledger.enabled
        )

    async def run(self) -> int:
        """Serve until told to stop; raises OSError when the socket cannot be had."""
        config = self._config
        self._catch_signals()
        paths = Paths(Path(config.root), Path(config.state), config.runtime.netns_mounts_under_state_dir)
        _make_directories(paths)
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(SocketLock(config.socket_path))
            supervisor = Supervisor()
            node = NodeFacts.read()
            features = await read_features(config, node)
            service, monitor, pump = self._wire(paths, supervisor, node, features)
            stack.push_async_callback(service.containerd.close)
            stack.push_async_callback(service.puller.close)
            pump.start()
            stack.callback(pump.stop)
            service.streaming.bind()
            stack.push_async_callback(service.streaming.stop)
            await service.network.start()
            stack.push_async_callback(service.network.stop)
            if (export := span_export(self._tracing, config.containerd.address)) is not None:
                service.ledger.listen(export)
                stack.push_async_callback(export.close)
                supervisor.forever("spans", export.run)
            stack.push_async_callback(supervisor.stop)
            listener = self._listener(paths, service, pump, self._take_spans(service.ledger, supervisor))
            listener.bind()
            stack.push_async_callback(listener.stop)
            monitor.start()
            supervisor.forever("snapshot-usage", service.snapshot_usage.run)
            supervisor.forever("stats", service.stats.run)
            supervisor.forever("watchdog", self._notifier.feed_watchdog)
            supervisor.forever("loop-lag", self._loop_lag.run)
            if config.ledger.enabled:
                supervisor.forever("null-call", NullCall(service.containerd, service.ledger).run)
            await self._until_read(service.readiness)
            _settle_memory()
            server = grpc.aio.server(
                options=[
                    ("grpc.max_receive_message_length", MESSAGE_LIMIT),
                    ("grpc.max_send_message_length", MESSAGE_LIMIT),
                    ("grpc.so_reuseport", 0),
                ]
            )
            server.add_generic_rpc_handlers(handlers(service))
            bind(server, config.socket_path, config.socket_mode)
            await server.start()
            log.info("daemon.serving", socket=config.socket_path, version=cri_shim.__version__)
            self._notifier.ready(service.readiness.why_not or "serving")
            await self._stop.wait()
            await self._shut_down(server, service)
        log.info("daemon.stopped")
        return 0

    def _wire(
        self, paths: Paths, supervisor: Supervisor, node: NodeFacts, features: Mapping[str, HandlerFeatures]
    ) -> tuple[Service, Monitor, LogPump]:
        config = self._config
        kernel = LinuxKernel()
        ledger = Ledger() if config.ledger.enabled else LedgerOff()
        containerd = Containerd(
            config.containerd.address,
            namespace=config.containerd.namespace,
            on_hop=ledger.note_hop if config.ledger.enabled else None,
            on_call=ledger.note_call if config.ledger.enabled else None,
        )
        readiness, locks = Readiness(), Locks()
        sandboxes, containers = Index[Sandbox]("sandbox"), Index[Container]("container")
        sandbox_names, container_names = Names(), Names()
        pump = LogPump(kernel.tee)
        logs = ContainerLogs(
            pump, Holding(paths.state / "fifo-holder.sock"), paths, config.runtime.max_container_log_line_size
        )
        exits = Exits(
            containerd=containerd,
            sandboxes=sandboxes,
            containers=containers,
            locks=locks,
            paths=paths,
            logs=logs,
            supervisor=supervisor,
        )
        images = ImageStore(containerd, config.containerd.snapshotter, pinned=[config.image.sandbox_image])
        recovery = Recovery(
            containerd=containerd,
            kernel=kernel,
            paths=paths,
            sandboxes=sandboxes,
            containers=containers,
            sandbox_names=sandbox_names,
            container_names=container_names,
            logs=logs,
            exits=exits,
            snapshotters=_snapshotters(config),
        )
        service = Service(
            config=config,
            readiness=readiness,
            deprecations=Deprecations(config.containerd.ignore_deprecation_warnings),
            containerd=containerd,
            kernel=kernel,
            node=node,
            features=features,
            paths=paths,
            sandboxes=sandboxes,
            containers=containers,
            sandbox_names=sandbox_names,
            container_names=container_names,
            images=images,
            puller=ImagePuller(
                containerd,
                images,
                config_path=config.image.registry.config_path,
                max_concurrent_downloads=config.image.max_concurrent_downloads,
                max_total_downloads=config.image.max_total_downloads,
                transfer=config.image.pull == "transfer",
                progress_timeout=config.image.image_pull_progress_timeout,
            ),
            snapshot_usage=SnapshotUsage(containerd, _snapshotters(config), config.image.stats_collect_period),
            stats=Sampler(
                Reader(kernel, unified=node.cgroup_v2, huge_page_sizes=node.hugepage_sizes if node.hugetlb else ()),
                lambda: [*sandbox_subjects(sandboxes), *container_subjects(containers)],
            ),
            image_files=ImageFiles(containerd, kernel),
            selinux=SelinuxLabels(
                *_selinux_policy(config, node),
                in_use=lambda: [each.process_label for each in (*sandboxes, *containers)],
                categories=config.runtime.selinux_category_range,
            ),
            blockio=_blockio_classes(config),
            cdi=CdiRegistry(config.runtime.cdi_spec_dirs),
            network=Network(kernel, _cni_config(config), on_helper=ledger.note_helper, on_run=ledger.note_run),
            logs=logs,
            streaming=_streaming_server(config),
            exits=exits,
            events=Events(sandboxes, containers),
            operations=Operations(),
            ledger=ledger,
            traces=self._tracing.policy(),
            locks=locks,
        )
        monitor = Monitor(
            containerd=containerd,
            kernel=kernel,
            namespace=config.containerd.namespace,
            readiness=readiness,
            recovery=recovery,
            images=images,
            exits=exits,
            sandboxes=sandboxes,
            containers=containers,
            supervisor=supervisor,
            on_first_open=service.puller.forget_leases,
        )
        return service, monitor, pump

    def _take_spans(self, ledger: Ledger, supervisor: Supervisor) -> Callable[[bytes, str], bytes] | None:
        """What takes containerd's own spans in, if it is wanted."""
        if not self._tracing.receive:
            return None
        forward = SpanForward(self._tracing) if self._tracing.endpoint else None
        receiver = ContainerdSpans(ledger, None if forward is None else forward.put)
        ledger.listen(receiver)
        if forward is not None:
            supervisor.forever("span-forward", forward.run)
        return receiver.take

    def _listener(
        self, paths: Paths, service: Service, pump: LogPump, take_spans: Callable[[bytes, str], bytes] | None
    ) -> Listener:
        counts = Counts(lambda: service.ledger.null_call, spans=take_spans is not None)
        service.ledger.listen(counts)
        sources = WebSources(
            service.ledger,
            metrics=MetricsPage(counts, gauges(service, pump, self._loop_lag)).text,
            node=about_node(service, self._loop_lag),
            take_spans=take_spans,
            reads=frozenset(name for name, rpc in RPCS.items() if rpc.kind is Kind.READ),
        )
        return Listener(self._config.http.address, paths.state, sources)

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told_to_stop, number)

    def _told_to_stop(self, number: int) -> None:
        if self._stop.is_set():
            log.warning("daemon.stopped_at_once", signal=signal.Signals(number).name)
            sys.exit(1)
        log.info("daemon.stopping", signal=signal.Signals(number).name)
        self._stop.set()

    async def _until_read(self, readiness: Readiness) -> None:
        """Wait for the first reading of pods and images, but not for ever for a containerd that is away."""
        waiting = [asyncio.ensure_future(readiness.wait_told()), asyncio.ensure_future(self._stop.wait())]
        await asyncio.wait(waiting, timeout=FIRST_READ_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        if not readiness.ready:
            log.warning("daemon.containerd_not_ready", reason=readiness.why_not)

    async def _shut_down(self, server: grpc.aio.Server, service: Service) -> None:
        self._notifier.stopping("requests in flight end or are undone; pods keep running")
        grace = max(0.0, self._config.shutdown_grace - _UNDO_SECONDS)
        service.events.close()
        await service.streaming.stop()
        await asyncio.gather(server.stop(grace), service.operations.drain(grace))


def _blockio_classes(config: Config) -> BlockioClasses:
    """Read at start, as containerd does; a file with a mistake stops nothing but the containers that want a class."""
    classes = BlockioClasses.load(config.runtime.blockio_config_file)
    if classes.why_not and config.runtime.blockio_config_file:
        log.error("daemon.no_blockio_classes", error=classes.why_not)
    return classes


def _selinux_policy(config: Config, node: NodeFacts) -> tuple[Policy | None, str]:
    policy, why_not = read_selinux_policy(enabled=config.runtime.enable_selinux, available=node.selinux)
    if why_not:
        log.warning("daemon.no_selinux", reason=why_not)
    return policy, why_not


def _snapshotters(config: Config) -> list[str]:
    """All that images are unpacked for, the default one first."""
    own = (handler.snapshotter for handler in config.containerd.runtimes.values())
    return [config.containerd.snapshotter, *filter(None, own)]


def _streaming_server(config: Config) -> StreamingServer:
    stream = config.stream
    pair = stream.x509_key_pair_streaming
    tls = server_context(pair.tls_cert_file, pair.tls_key_file, stream.stream_server_address)
    return StreamingServer(
        stream.stream_server_address,
        int(stream.stream_server_port),
        idle_timeout=stream.stream_idle_timeout,
        tls=tls if stream.enable_tls_streaming else None,
    )


def _cni_config(config: Config) -> CniConfig:
    cni = config.cni
    return CniConfig(
        bin_dir=":".join(cni.plugin_dirs),
        conf_dir=cni.conf_dir,
        max_conf_num=cni.max_conf_num,
        conf_template=cni.conf_template,
        ip_pref=cni.ip_pref,
        setup_serially=cni.setup_serially,
        timeout=cni.timeout,
        cache_dir=cni.cache_dir,
    )


def _make_directories(paths: Paths) -> None:
    """The parents; containers mount files from below ``root``, hence others may pass through but not look."""
    for parent in (paths.root, paths.state):
        parent.mkdir(parents=True, exist_ok=True, mode=0o711)
    for directory in (
        paths.sandboxes_root(),
        paths.sandboxes_state(),
        paths.containers_root(),
        paths.containers_state(),
        paths.image_mounts(),
    ):
        directory.mkdir(exist_ok=True, mode=0o711)


def _settle_memory() -> None:
    """What start-up made stays for good: take it out of every later garbage collection."""
    gc.collect()
    gc.freeze()
