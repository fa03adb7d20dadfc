"""The value that stands for one container, and the changes that its end makes to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from cri_shim.state.wire import message_or_substitute
from cri_shim.status_text import status_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from containerd_client.api.containerd.types.types_pb2 import Mount

# Why a container has ended, in the words that the kubelet displays.
COMPLETED = "Completed"
ERROR = "Error"
OOM_KILLED = "OOMKilled"


class Status(Struct, frozen=True):
    """The part of a container that changes and is kept in a file. Times are nanoseconds since 1970; 0 is "not yet"."""

    created_at: int = 0
    started_at: int = 0
    finished_at: int = 0
    pid: int = 0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    resources: cri.ContainerResources | None = None


class Container(Struct, frozen=True):
    """What the daemon knows of one container."""

    id: str
    name: str
    sandbox_id: str
    config: cri.ContainerConfig
    """Must not be changed: everything that holds this value shares it."""
    status: Status
    image_id: str
    """The digest of the image's config, which is the only image identifier of CRI 1.36."""
    log_path: str = ""
    """Absolute path; empty when the output is not logged."""
    stop_signal: str = ""
    """The signal from the image or the request; empty means SIGTERM."""
    process_label: str = ""
    user: cri.ContainerUser = field(default_factory=cri.ContainerUser)
    # Not stored: known only for as long as this daemon lives.
    starting: bool = False
    removing: bool = False
    stop_signal_sent: bool = False
    oom_killed: bool = False
    plain_runc: bool = False
    """Whether its record names runc's own shim and no other program as its runtime."""
    rootfs: tuple[Mount, ...] = ()
    """How to mount its snapshot, as containerd answered when it prepared it; empty for one prepared before a restart.
    """
    unknown_reason: str = ""
    """Why its state cannot be determined. The state is then UNKNOWN, and it may only be stopped and removed."""
    status_unread: bool = False
    """Its status file could not be read; until it has been, the state of its task proves nothing about its status."""

    undo_pending: bool = False
    """A start of it failed and could not be undone. The undo is tried again; until then its task proves nothing."""

    @property
    def state(self) -> cri.ContainerState.ValueType:
        """The CRI state, derived from the times."""
        if self.unknown_reason:
            return cri.CONTAINER_UNKNOWN
        if self.status.finished_at:
            return cri.CONTAINER_EXITED
        if self.status.started_at:
            return cri.CONTAINER_RUNNING
        return cri.CONTAINER_CREATED

    @property
    def state_word(self) -> str:
        """The state as a word in a sentence: created, running, exited or unknown."""
        return cri.ContainerState.Name(self.state).removeprefix("CONTAINER_").lower()

    @property
    def running(self) -> bool:
        """Whether its process is alive, as far as is known."""
        return self.state == cri.CONTAINER_RUNNING

    def replace(self, **changes: Any) -> Container:
        """Return the same container with some fields changed."""
        return replace(self, **changes)

    def with_status(self, **changes: Any) -> Container:
        """Return the same container with some fields of its status changed."""
        return replace(self, status=replace(self.status, **changes))

    def to_cri(self) -> cri.Container:
        """Return the container as ListContainers shows it."""
        return message_or_substitute(self._to_cri, self._to_cri_minimal, "container", self.id)

    def _to_cri_minimal(self) -> cri.Container:
        """Return just enough for a kubelet to remove the container."""
        metadata = cri.ContainerMetadata(name=f"unreadable_{self.id}")
        return cri.Container(id=self.id, metadata=metadata, image=cri.ImageSpec(), state=cri.CONTAINER_UNKNOWN)

    def _to_cri(self) -> cri.Container:
        return cri.Container(
            id=self.id,
            pod_sandbox_id=self.sandbox_id,
            metadata=self.config.metadata,
            image=self.config.image,
            image_ref=self.image_id,
            image_id=self.image_id,
            state=self.state,
            created_at=self.status.created_at,
            labels=self.config.labels,
            annotations=self.config.annotations,
        )

    def list_entry(self) -> bytes:
        """Return a serialised ListContainersResponse that holds this container alone, to be joined with others."""
        return cri.ListContainersResponse(containers=[self.to_cri()]).SerializeToString()


def exited(code: int, at_ns: int, *, reason: str = "", message: str = "") -> Callable[[Container], Container]:
    """Return the change that an exit makes. The first recorded exit wins, because a container ends once.

    ``reason`` defaults to Completed, OOMKilled or Error, which the kubelet expects. ``message`` may be any error text.
    """

    def change(container: Container) -> Container:
        if container.status.finished_at and not container.unknown_reason:
            return container
        named = reason or (COMPLETED if code == 0 else OOM_KILLED if container.oom_killed else ERROR)
        return container.replace(
            starting=False, unknown_reason="", status_unread=False, undo_pending=False
        ).with_status(pid=0, finished_at=at_ns, exit_code=code, reason=named, message=status_text(message))

    return change


def out_of_memory(container: Container) -> Container:
    """Return ``container`` marked as killed by the kernel for lack of memory.

    The OOM event may come after the exit; the recorded exit then gets its right reason (containerd issue 12260).
    """
    changed = container.replace(oom_killed=True)
    ended = container.status.finished_at and container.status.exit_code != 0
    return changed.with_status(reason=OOM_KILLED) if ended and container.status.reason == ERROR else changed
