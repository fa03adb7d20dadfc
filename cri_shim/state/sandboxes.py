"""A pod sandbox as this daemon knows it.

Most have a process that holds their namespaces and whose end is theirs. A pinned one has none: it is alive as long as
the files are that its namespaces are bound to (docs/adr/0013).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.oci.untrusted_workload import handler_name
from cri_shim.state.wire import sayable

if TYPE_CHECKING:
    from collections.abc import Mapping


class PinnedNamespaces(Struct, frozen=True):
    """The files of those namespaces of a pod without a process that ``netns_path`` is not; empty: the node's."""

    uts: str
    ipc: str


class Sandbox(Struct, frozen=True):
    """What is known of one sandbox. Times are nanoseconds since 1970; 0 means "not yet"."""

    id: str
    name: str
    config: cri.PodSandboxConfig
    """Not to be changed: it is shared by everyone who holds this value."""
    created_at: int
    runtime_handler: str = ""
    """As it was asked for; :attr:`handler_name` is the one that counts."""
    netns_path: str = ""
    """Empty for a pod on the node's own network."""
    ips: tuple[str, ...] = ()
    cni_result: Mapping[str, Any] | None = None
    """What the CNI plugins answered, in the stored form; None until then."""
    process_label: str = ""
    pinned: PinnedNamespaces | None = None
    """Where its namespaces are, if it is a pod without a process of its own."""
    pid: int = 0
    """0 for a pod without a process, too."""
    starting: bool = False
    """Its process is there and holds its namespaces, and is about to run (docs/adr/0017)."""
    exited_at: int = 0
    """When its process ended, or when its namespaces were let go."""
    network_down: bool = False
    """The network was torn down; addresses are history."""
    netns_gone: bool = False
    """The file that its network namespace was bound to has vanished; DEL is still owed."""
    recovered: bool = False
    """It was read from containerd: an earlier daemon made it, or was killed while it did."""
    start_error: str = ""
    """What the runtime said when its start failed after RunPodSandbox had answered; empty if it did not fail."""
    unknown_reason: str = ""
    """Why nobody can say what this sandbox is doing (a failed undo, an unreadable record)."""

    @property
    def begun(self) -> bool:
        """It was ready once: its process has run, or its network was in its namespaces."""
        return self.pid != 0 or (self.pinned is not None and self.cni_result is not None)

    @property
    def networked(self) -> bool:
        """Its network is in place: the plugins' result is known, and the namespace that they worked in is there."""
        return self.host_network or (self.cni_result is not None and not self.network_down and not self.netns_gone)

    @property
    def ready(self) -> bool:
        """It is alive, on its network, and nothing is in doubt: SANDBOX_READY.

        Process and network are made at the same time, so neither says anything about the other (docs/adr/0027).
        """
        doubtful = self.unknown_reason or self.start_error
        return self.begun and self.exited_at == 0 and not doubtful and self.networked

    @property
    def unready_reason(self) -> str:
        """Why no container can be made in it, as the end of a sentence that begins with the sandbox."""
        if self.unknown_reason:
            return f"is in an unknown state: {self.unknown_reason}"
        if self.start_error:
            return f"is not running: its start failed: {self.start_error}"
        if not self.begun or self.exited_at or self.networked:
            return "is not running"
        if self.network_down or self.netns_gone:
            return "has lost its network namespace"
        return "has no network: its CNI ADD was cut off or its result was not recorded"

    @property
    def state(self) -> cri.PodSandboxState.ValueType:
        """The state as CRI has it; what is in doubt counts as not ready, so that the kubelet removes it."""
        return cri.SANDBOX_READY if self.ready else cri.SANDBOX_NOTREADY

    @property
    def host_network(self) -> bool:
        """The pod shares the node's network namespace."""
        return self.config.linux.security_context.namespace_options.network == cri.NODE

    @property
    def handler_name(self) -> str:
        """The runtime handler that it runs under; empty for the default one."""
        return handler_name(self.runtime_handler, self.config.annotations)

    def replace(self, **changes: Any) -> Sandbox:
        """The same sandbox with some fields changed."""
        return replace(self, **changes)

    def to_cri(self) -> cri.PodSandbox:
        """As ListPodSandbox shows it."""
        return sayable(self._to_cri, self._to_cri_minimal, "sandbox", self.id)

    def _to_cri_minimal(self) -> cri.PodSandbox:
        """Enough for a kubelet to remove it."""
        metadata = cri.PodSandboxMetadata(name=f"unreadable_{self.id}", uid=self.id)
        return cri.PodSandbox(id=self.id, metadata=metadata, state=cri.SANDBOX_NOTREADY)

    def _to_cri(self) -> cri.PodSandbox:
        return cri.PodSandbox(
            id=self.id,
            metadata=self.config.metadata,
            state=self.state,
            created_at=self.created_at,
            labels=self.config.labels,
            annotations=self.config.annotations,
            runtime_handler=self.runtime_handler,
        )

    def list_entry(self) -> bytes:
        """Return a serialised ListPodSandboxResponse that holds this sandbox alone.

        Protobuf reads responses that follow one another as one response with the items of all, so entries need only be
        joined.
        """
        return cri.ListPodSandboxResponse(items=[self.to_cri()]).SerializeToString()
