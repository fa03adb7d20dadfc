"""The value that stands for one pod sandbox.

Most sandboxes have a process that holds their namespaces; the sandbox ends with that process. A pinned sandbox has
no process: it is alive for as long as the files that its namespaces are bound to exist (docs/adr/0013).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.oci.untrusted_workload import handler_name
from cri_shim.state.wire import message_or_substitute

if TYPE_CHECKING:
    from collections.abc import Mapping


class PinnedNamespaces(Struct, frozen=True):
    """The files that hold the UTS and IPC namespaces of a pod without a process; an empty path means the node's own.

    ``netns_path`` of the sandbox is the file of its network namespace.
    """

    uts: str
    ipc: str


class Sandbox(Struct, frozen=True):
    """What the daemon knows of one sandbox. Times are nanoseconds since 1970; 0 means "not yet"."""

    id: str
    name: str
    config: cri.PodSandboxConfig
    """Must not be changed: everything that holds this value shares it."""
    created_at: int
    runtime_handler: str = ""
    """The handler from the request; :attr:`handler_name` is the one in effect."""
    netns_path: str = ""
    """Empty for a pod on the node's own network."""
    ips: tuple[str, ...] = ()
    cni_result: Mapping[str, Any] | None = None
    """The result of the CNI plugins in its stored form; None until they have answered."""
    process_label: str = ""
    pinned: PinnedNamespaces | None = None
    """Where its namespaces are, for a pod without a process."""
    pid: int = 0
    """Also 0 for a pod without a process."""
    starting: bool = False
    """Its process exists and holds its namespaces, but does not run yet (docs/adr/0017)."""
    exited_at: int = 0
    """When its process ended, or when its namespaces were released."""
    network_down: bool = False
    """The network was torn down; the addresses only tell what they were."""
    netns_gone: bool = False
    """The file that its network namespace was bound to has vanished; the CNI DEL still has to run."""
    plain_runc: bool = False
    """Whether its record names runc's own shim and no other program as its runtime."""
    recovered: bool = False
    """It was read from containerd: an earlier daemon made it, or was killed while it made it."""
    start_error: str = ""
    """The runtime's error when the start failed after RunPodSandbox had answered; empty if it did not fail."""
    unknown_reason: str = ""
    """Why its state cannot be determined (a failed undo, an unreadable record)."""

    @property
    def begun(self) -> bool:
        """Whether it was ready once: its process has run, or its network was in its namespaces."""
        return self.pid != 0 or (self.pinned is not None and self.cni_result is not None)

    @property
    def networked(self) -> bool:
        """Whether its network is in place: the plugins' result is known, and the namespace they worked in exists."""
        return self.host_network or (self.cni_result is not None and not self.network_down and not self.netns_gone)

    @property
    def ready(self) -> bool:
        """Whether it is alive, on its network, and its state is certain: SANDBOX_READY.

        Process and network are made at the same time, so neither proves the other (docs/adr/0027).
        """
        doubtful = self.unknown_reason or self.start_error
        return self.begun and self.exited_at == 0 and not doubtful and self.networked

    @property
    def unready_reason(self) -> str:
        """Why no container can be made in it, as the end of a sentence whose subject is the sandbox."""
        if self.unknown_reason:
            return f"is in an unknown state: {self.unknown_reason}"
        if self.start_error:
            return f"is not running: its start failed: {self.start_error}"
        if not self.begun or self.exited_at or self.networked:
            return "is not running"
        if self.network_down or self.netns_gone:
            return "has lost its network namespace"
        return "has no network: its CNI ADD was interrupted or its result was not recorded"

    @property
    def state(self) -> cri.PodSandboxState.ValueType:
        """The CRI state; an unknown state counts as not ready, so that the kubelet removes the pod."""
        return cri.SANDBOX_READY if self.ready else cri.SANDBOX_NOTREADY

    @property
    def host_network(self) -> bool:
        """Whether the pod shares the node's network namespace."""
        return self.config.linux.security_context.namespace_options.network == cri.NODE

    @property
    def handler_name(self) -> str:
        """The runtime handler that the pod runs under; empty for the default one."""
        return handler_name(self.runtime_handler, self.config.annotations)

    def replace(self, **changes: Any) -> Sandbox:
        """Return the same sandbox with some fields changed."""
        return replace(self, **changes)

    def to_cri(self) -> cri.PodSandbox:
        """Return the sandbox as ListPodSandbox shows it."""
        return message_or_substitute(self._to_cri, self._to_cri_minimal, "sandbox", self.id)

    def _to_cri_minimal(self) -> cri.PodSandbox:
        """Return just enough for a kubelet to remove the sandbox."""
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

        Protobuf reads concatenated responses as one response with the items of all, so entries only need to be
        joined.
        """
        return cri.ListPodSandboxResponse(items=[self.to_cri()]).SerializeToString()
