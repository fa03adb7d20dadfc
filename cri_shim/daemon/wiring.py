"""Make the collaborators and give them to each other; :class:`~cri_shim.service.Service` says what each is."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import structlog
from msgspec import Struct

from containerd_client import Containerd
from cri_shim.cdi.registry import CdiRegistry
from cri_shim.concurrency.keyed_locks import KeyedLocks
from cri_shim.concurrency.operations import Operations
from cri_shim.daemon.settings import cni_config, pull_settings, starts_at_once
from cri_shim.images.image_files import ImageFiles
from cri_shim.images.puller import ImagePuller
from cri_shim.images.store import ImageStore
from cri_shim.kernel.cgroups import Hierarchies
from cri_shim.ledger.known_names import KnownNames
from cri_shim.ledger.ledger import Ledger, LedgerOff
from cri_shim.lifecycle.direct_signals import DirectSignals
from cri_shim.lifecycle.handlers import all_snapshotters
from cri_shim.lifecycle.orphaned_tasks import OrphanedTasks
from cri_shim.lifecycle.sandbox.pod_network import detach_orphaned
from cri_shim.logs.holding import Holding
from cri_shim.logs.pump import LogPump
from cri_shim.logs.registry import ContainerLogs
from cri_shim.network import Network
from cri_shim.node.deprecations import Deprecations
from cri_shim.node.snapshotter_check import SnapshotterCheck, wanted_snapshotters
from cri_shim.qos.blockio import BlockioClasses
from cri_shim.rpc.container_stats_list import container_subjects
from cri_shim.rpc.sandbox_stats_list import sandbox_subjects
from cri_shim.service import Service
from cri_shim.state.container_events import Events
from cri_shim.state.containers import Container
from cri_shim.state.index import Index
from cri_shim.state.names import Names
from cri_shim.state.sandboxes import Sandbox
from cri_shim.stats.reader import Reader
from cri_shim.stats.sampler import Sampler
from cri_shim.streaming.certificate import server_context
from cri_shim.streaming.server import StreamingServer
from cri_shim.sync.exits import Exits
from cri_shim.sync.liveness import Liveness
from cri_shim.sync.monitor import Monitor
from cri_shim.sync.oom import OomKills
from cri_shim.sync.orphaned_shims import end_orphaned_shims
from cri_shim.sync.process_specs import ProcessSpecs
from cri_shim.sync.readiness import Readiness
from cri_shim.sync.recovery import Recovery
from cri_shim.sync.selinux_labels import SelinuxLabels, read_selinux_policy
from cri_shim.sync.snapshot_usage import SnapshotUsage
from cri_shim.sync.task_states import TaskStates
from cri_shim.sync.unanswered import Unanswered
from cri_shim.sync.unread_status import UnreadStatus
from cri_shim.telemetry.daemon_facts import DaemonFacts
from cri_shim.tuning.admission import AdmissionLimiter
from cri_shim.tuning.cgroup_moves import CgroupMoves
from cri_shim.tuning.shim_calls import ShimCalls, ready_script

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from containerd_client.api.containerd.services.containers.v1.containers_pb2 import Container as Record
    from cri_shim.concurrency.supervisor import Supervisor
    from cri_shim.config import Config
    from cri_shim.kernel import Kernel
    from cri_shim.ledger.trace_policy import TracePolicy
    from cri_shim.node.handler_features import HandlerFeatures
    from cri_shim.oci.node_facts import NodeFacts
    from cri_shim.oci.security.selinux import Policy
    from cri_shim.paths import Paths

_FLUSHED_WITHIN = 2.0
"""Seconds within which the data of an ended request reaches the places where metrics and views read it."""

log = structlog.get_logger(__name__)


class DaemonParts(Struct, frozen=True):
    """The parts that the daemon starts and stops."""

    service: Service
    monitor: Monitor
    """Keeps the state in step with containerd."""
    pump: LogPump
    """Carries the output of containers."""
    recovery: Recovery
    """Reads containerd's records."""


def wire(
    config: Config,
    paths: Paths,
    supervisor: Supervisor,
    traces: TracePolicy,
    *,
    kernel: Kernel,
    node: NodeFacts,
    features: Mapping[str, HandlerFeatures],
    belongs: Callable[[Record], bool] = lambda _: True,
    facts: DaemonFacts | None = None,
) -> DaemonParts:
    """Make all collaborators, without starting anything or opening a socket.

    ``belongs`` says which of the records that have the form of a pod or container are ours; the others stay unread.
    """
    loop = asyncio.get_running_loop()
    later = partial(loop.call_later, _FLUSHED_WITHIN)
    sandboxes, containers = Index[Sandbox]("sandbox"), Index[Container]("container")
    ledger = (
        Ledger(later, loop.call_soon, KnownNames(sandboxes, containers).of) if config.ledger.enabled else LedgerOff()
    )
    containerd = Containerd(
        config.containerd.address,
        namespace=config.containerd.namespace,
        on_hop=ledger.note_hop if config.ledger.enabled else None,
        on_call=ledger.note_call if config.ledger.enabled else None,
    )
    readiness, locks = Readiness(), KeyedLocks()
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
        oom_kills=OomKills(containerd, Hierarchies.read(unified=True) if node.cgroup_v2 else None),
        paths=paths,
        logs=logs,
        supervisor=supervisor,
    )
    unanswered = Unanswered(containerd=containerd, sandboxes=sandboxes, containers=containers, supervisor=supervisor)
    states = TaskStates(
        containerd=containerd,
        paths=paths,
        sandboxes=sandboxes,
        containers=containers,
        logs=logs,
        exits=exits,
        supervisor=supervisor,
        unanswered=unanswered,
    )
    images = ImageStore(containerd, config.containerd.snapshotter, pinned=[config.image.sandbox_image])
    orphaned_tasks = OrphanedTasks(
        containerd=containerd,
        kernel=kernel,
        address=config.containerd.address,
        namespace=config.containerd.namespace,
        supervisor=supervisor,
    )
    network = Network(kernel, cni_config(config), on_helper=ledger.note_helper, on_run=ledger.note_run)
    image_files = ImageFiles(containerd, kernel, paths.image_mounts())
    recovery = Recovery(
        containerd=containerd,
        kernel=kernel,
        paths=paths,
        sandboxes=sandboxes,
        containers=containers,
        sandbox_names=sandbox_names,
        container_names=container_names,
        logs=logs,
        states=states,
        unanswered=unanswered,
        unread=UnreadStatus(
            containerd=containerd, paths=paths, containers=containers, states=states, supervisor=supervisor
        ),
        supervisor=supervisor,
        snapshotters=all_snapshotters(config),
        clear_orphaned_tasks=orphaned_tasks.clear,
        detach_orphaned=partial(detach_orphaned, network),
        being_read=lambda: image_files.being_read,
        belongs=belongs,
    )
    starts = starts_at_once(config)
    service = Service(
        config=config,
        readiness=readiness,
        liveness=Liveness(containerd, readiness),
        deprecations=Deprecations(config.containerd.ignore_deprecation_warnings),
        snapshotters=SnapshotterCheck(
            wanted_snapshotters(
                config.containerd.snapshotter,
                {name: handler.snapshotter for name, handler in config.containerd.runtimes.items()},
            )
        ),
        containerd=containerd,
        kernel=kernel,
        node=node,
        features=features,
        paths=paths,
        sandboxes=sandboxes,
        containers=containers,
        process_specs=ProcessSpecs(containerd),
        sandbox_names=sandbox_names,
        container_names=container_names,
        images=images,
        puller=ImagePuller(containerd, images, pull_settings(config)),
        snapshot_usage=SnapshotUsage(
            containerd,
            all_snapshotters(config),
            config.image.stats_collect_period,
            idle=lambda key: key in sandboxes,
            owners=lambda: (
                [sandbox.id for sandbox in sandboxes],
                [container.id for container in containers],
                [image.references for image in images.list()],
            ),
        ),
        stats=Sampler(
            Reader(kernel, unified=node.cgroup_v2, huge_page_sizes=node.hugepage_sizes if node.hugetlb else ()),
            lambda: [*sandbox_subjects(sandboxes), *container_subjects(containers)],
        ),
        image_files=image_files,
        selinux=SelinuxLabels(
            *_selinux_policy(config, node),
            in_use=lambda: [each.process_label for each in (*sandboxes, *containers)],
            categories=config.runtime.selinux_category_range,
        ),
        blockio=_blockio_classes(config),
        cdi=CdiRegistry(config.runtime.cdi_spec_dirs),
        network=network,
        logs=logs,
        streaming=_streaming_server(config),
        exits=exits,
        events=Events(sandboxes, containers),
        operations=Operations(),
        ledger=ledger,
        traces=traces,
        locks=locks,
        pod_starts=AdmissionLimiter(starts),
        pod_stops=AdmissionLimiter(starts),
        container_starts=AdmissionLimiter(starts),
        end_orphaned_task=orphaned_tasks.end,
        shim_calls=ShimCalls(
            containerd,
            paths,
            ready_script(paths, enabled=config.containerd.shim_script),
            lambda id_: end_orphaned_shims(config.containerd.address, config.containerd.namespace, {id_}),
        ),
        signal_directly=DirectSignals(
            kernel, sandboxes, containers, locks, enabled=config.containerd.direct_signals
        ).send,
        cgroup_moves=CgroupMoves.of_this_process(cgroup_v2=node.cgroup_v2),
        facts=facts or DaemonFacts(),
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
    return DaemonParts(service, monitor, pump, recovery)


def _blockio_classes(config: Config) -> BlockioClasses:
    """Read the classes at start, as containerd does; a faulty file only affects containers that ask for a class."""
    classes = BlockioClasses.load(config.runtime.blockio_config_file)
    if classes.reason and config.runtime.blockio_config_file:
        log.error("daemon.no_blockio_classes", error=classes.reason)
    return classes


def _selinux_policy(config: Config, node: NodeFacts) -> tuple[Policy | None, str]:
    policy, reason = read_selinux_policy(enabled=config.runtime.enable_selinux, available=node.selinux)
    if reason:
        log.warning("daemon.no_selinux", reason=reason)
    return policy, reason


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
