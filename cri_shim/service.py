"""The collaborators that an RPC may use. Reading this gives the architecture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from cri_shim.concurrency.keyed_semaphores import KeyedSemaphores
from cri_shim.node.deprecations import Deprecations
from cri_shim.node.snapshotter_check import SnapshotterCheck
from cri_shim.streaming.exec_process import STARTS_AT_ONCE

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
    from cri_shim.sync.process_specs import ProcessSpecs
    from cri_shim.sync.readiness import Readiness
    from cri_shim.sync.selinux_labels import SelinuxLabels
    from cri_shim.sync.snapshot_usage import SnapshotUsage
    from cri_shim.tuning.admission import AdmissionLimiter
    from cri_shim.tuning.cgroup_moves import CgroupMoves


class Service(Struct, frozen=True):
    """Everything a file in :mod:`cri_shim.rpc` works with; made once, in :mod:`cri_shim.daemon.wiring`."""

    config: Config
    """What the operator wrote."""
    readiness: Readiness
    """May requests be answered, and if not, why not."""
    containerd: Containerd
    """The other end of the hop."""
    kernel: Kernel
    """System calls the standard library lacks."""
    node: NodeFacts
    """What this machine can do, read once."""
    features: Mapping[str, HandlerFeatures]
    """What the OCI runtime behind each handler can do, read once."""
    paths: Paths
    """Where files of pods and containers lie."""
    sandboxes: Index[Sandbox]
    """Pods, by id."""
    containers: Index[Container]
    """Containers, by id."""
    process_specs: ProcessSpecs
    """How containers' own processes run, for commands that are run in them."""
    sandbox_names: Names
    """Which pod holds which name."""
    container_names: Names
    """Which container holds which name."""
    images: ImageStore
    """Images, by any of their references."""
    puller: ImagePuller
    """From a registry into containerd."""
    snapshot_usage: SnapshotUsage
    """How much disk the snapshots take, sampled."""
    stats: Sampler
    """What pods and containers use, read from their cgroups."""
    image_files: ImageFiles
    """Looking into an image's root file system: users, groups, volumes."""
    blockio: BlockioClasses
    """Classes of block I/O, read once."""
    selinux: SelinuxLabels
    """Labels of pods and containers."""
    cdi: CdiRegistry
    """Devices that vendors describe in files."""
    network: Network
    """CNI."""
    logs: ContainerLogs
    """Output of running containers, on its way into log files."""
    streaming: StreamingServer
    """URLs for exec, attach and port-forward, and who answers there."""
    exits: Exits
    """Ends of processes: told to the store, waited for by RPCs."""
    events: Events
    """What happens to pods and containers, for whoever subscribes."""
    operations: Operations
    """Mutations in flight."""
    ledger: Ledger
    """What every request cost."""
    traces: TracePolicy
    """Which requests are traced."""
    locks: KeyedLocks
    """One for each container, against two changes at once."""
    pod_starts: AdmissionLimiter
    """Pods being made, a few at a time while the cores are busy."""
    pod_stops: AdmissionLimiter
    """Pods being stopped, likewise."""
    container_starts: AdmissionLimiter
    """Containers being started, likewise."""
    cgroup_moves: CgroupMoves
    """Getting the kernel ready for processes that the OCI runtime will move."""
    end_orphaned_task: Callable[[str], Awaitable[None]]
    """Ends a task whose record has been deleted by another client."""
    deprecations: Deprecations = field(default_factory=Deprecations)
    """What containerd warns of."""
    snapshotters: SnapshotterCheck = field(default_factory=SnapshotterCheck)
    """Whether containerd has what the configuration names."""
    exec_starts: KeyedSemaphores = field(default_factory=lambda: KeyedSemaphores(STARTS_AT_ONCE))
    """Commands being started, a few at a time for each pod."""
