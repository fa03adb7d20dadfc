"""Declare the collaborators that an RPC may use: the architecture of the daemon in one list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from cri_shim.concurrency.keyed_semaphores import KeyedSemaphores
from cri_shim.node.deprecations import Deprecations
from cri_shim.node.snapshotter_check import SnapshotterCheck
from cri_shim.streaming.exec_process import STARTS_AT_ONCE
from cri_shim.telemetry.daemon_facts import DaemonFacts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from containerd_client import Containerd
    from cri_shim.cdi.registry import CdiRegistry
    from cri_shim.concurrency.keyed_locks import KeyedLocks
    from cri_shim.concurrency.operations import Operations
    from cri_shim.config import Config
    from cri_shim.images.image_files import ImageFiles
    from cri_shim.images.puller import ImagePuller
    from cri_shim.images.store import ImageStore
    from cri_shim.kernel import Kernel
    from cri_shim.ledger.ledger import Ledger
    from cri_shim.ledger.trace_policy import TracePolicy
    from cri_shim.logs.registry import ContainerLogs
    from cri_shim.network import Network
    from cri_shim.node.handler_features import HandlerFeatures
    from cri_shim.oci.node_facts import NodeFacts
    from cri_shim.paths import Paths
    from cri_shim.qos.blockio import BlockioClasses
    from cri_shim.state.container_events import Events
    from cri_shim.state.containers import Container
    from cri_shim.state.index import Index
    from cri_shim.state.names import Names
    from cri_shim.state.sandboxes import Sandbox
    from cri_shim.stats.sampler import Sampler
    from cri_shim.streaming.server import StreamingServer
    from cri_shim.sync.exits import Exits
    from cri_shim.sync.liveness import Liveness
    from cri_shim.sync.process_specs import ProcessSpecs
    from cri_shim.sync.readiness import Readiness
    from cri_shim.sync.selinux_labels import SelinuxLabels
    from cri_shim.sync.snapshot_usage import SnapshotUsage
    from cri_shim.tuning.admission import AdmissionLimiter
    from cri_shim.tuning.cgroup_moves import CgroupMoves
    from cri_shim.tuning.shim_calls import ShimCalls


LARGE_ANSWERS_AT_ONCE: Final = 2


class Service(Struct, frozen=True):
    """Everything that a file in :mod:`cri_shim.rpc` works with.

    The daemon makes one, in :mod:`cri_shim.daemon.wiring`.
    """

    config: Config
    """The operator's configuration."""
    readiness: Readiness
    """Whether requests may be answered, and the reason while they may not."""
    liveness: Liveness
    """Whether containerd answers, asked for if it has not done so lately."""
    containerd: Containerd
    """The client for containerd, at the other end of every hop."""
    kernel: Kernel
    """System calls that the standard library lacks."""
    node: NodeFacts
    """What this machine can do, read once at start."""
    features: Mapping[str, HandlerFeatures]
    """What the OCI runtime behind each handler can do, read once at start."""
    paths: Paths
    """Where the files of pods and containers are."""
    sandboxes: Index[Sandbox]
    """Sandboxes by id."""
    containers: Index[Container]
    """Containers by id."""
    process_specs: ProcessSpecs
    """The process specs of running containers; a command that is executed in a container starts from its spec."""
    sandbox_names: Names
    """Which sandbox holds which name."""
    container_names: Names
    """Which container holds which name."""
    images: ImageStore
    """Images by any of their references."""
    puller: ImagePuller
    """Pulls images from registries into containerd."""
    snapshot_usage: SnapshotUsage
    """How much disk space the snapshots use, sampled periodically."""
    stats: Sampler
    """What pods and containers use, read from their cgroups."""
    image_files: ImageFiles
    """Reads an image's root file system: users, groups, volumes."""
    blockio: BlockioClasses
    """The classes of block I/O, read once at start."""
    selinux: SelinuxLabels
    """The SELinux labels of pods and containers."""
    cdi: CdiRegistry
    """Devices that vendors describe in files."""
    network: Network
    """Runs the CNI plugins."""
    logs: ContainerLogs
    """Carries the output of running containers into their log files."""
    streaming: StreamingServer
    """Hands out URLs for exec, attach and port-forward, and serves the sessions that clients open with them."""
    exits: Exits
    """Records ends of processes in the state, and lets RPCs wait for them."""
    events: Events
    """Sends every subscriber the changes of pods and containers."""
    operations: Operations
    """Changes under way, each of which goes on when its caller hangs up."""
    ledger: Ledger
    """What every request cost."""
    traces: TracePolicy
    """Which requests are traced."""
    locks: KeyedLocks
    """One lock for each container, so that two changes never run at once."""
    pod_starts: AdmissionLimiter
    """Admits pod starts, a few at a time while the cores are busy."""
    pod_stops: AdmissionLimiter
    """Admits pod stops, likewise."""
    container_starts: AdmissionLimiter
    """Admits container starts, likewise."""
    shim_calls: ShimCalls
    """Creates the tasks of pods and containers."""
    signal_directly: Callable[[str, int], Awaitable[bool]]
    """Signals the main process of a container or pod where containerd need not; False if containerd has to."""
    cgroup_moves: CgroupMoves
    """Prepares the kernel for processes that the OCI runtime is about to move between cgroups."""
    end_orphaned_task: Callable[[str], Awaitable[None]]
    """Ends a task whose record another client has deleted."""
    deprecations: Deprecations = field(default_factory=Deprecations)
    """Deprecated features that containerd warns of."""
    snapshotters: SnapshotterCheck = field(default_factory=SnapshotterCheck)
    """Whether containerd has the snapshotters that the configuration names."""
    exec_starts: KeyedSemaphores = field(default_factory=lambda: KeyedSemaphores(STARTS_AT_ONCE))
    """Admits starts of commands, a few at a time for each pod."""
    large_answers: KeyedSemaphores = field(default_factory=lambda: KeyedSemaphores(LARGE_ANSWERS_AT_ONCE))
    """Admits answers that take much memory while they are made, a few at a time for each RPC."""
    facts: DaemonFacts = field(default_factory=DaemonFacts)
    """What the daemon knows about its own process."""
