"""Reserve the names that the kubelet gives: each belongs to one pod or container (cri-containerd's registrar)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.errors import AlreadyExistsError

if TYPE_CHECKING:
    from cri_shim.api.runtime.v1 import runtime_pb2 as cri


def sandbox_name(metadata: cri.PodSandboxMetadata) -> str:
    """Return ``name_namespace_uid_attempt``, the form that the in-process plugin stores."""
    return f"{metadata.name}_{metadata.namespace}_{metadata.uid}_{metadata.attempt}"


def container_name(metadata: cri.ContainerMetadata, pod: cri.PodSandboxMetadata) -> str:
    """Return ``name_podname_podnamespace_poduid_attempt``, the form that the in-process plugin stores."""
    return f"{metadata.name}_{pod.name}_{pod.namespace}_{pod.uid}_{metadata.attempt}"


class Names:
    """Map names to the ids that hold them.

    A request reserves the name first and releases it last, so that two requests cannot make the same thing twice.
    """

    def __init__(self) -> None:
        self._holders: dict[str, str] = {}

    def holder(self, name: str) -> str | None:
        """Return the id that holds ``name``; None when it is free."""
        return self._holders.get(name)

    def holders(self) -> set[str]:
        """Return all ids that hold a name."""
        return set(self._holders.values())

    def reserve(self, name: str, id_: str) -> None:
        """Reserve ``name`` for ``id_``; idempotent. Raises AlreadyExistsError when another id holds it."""
        holder = self._holders.setdefault(name, id_)
        if holder != id_:
            raise AlreadyExistsError(f"name {name!r} is reserved for {holder}; remove that one first")

    def release(self, id_: str) -> None:
        """Release the name that ``id_`` holds, if any."""
        for name in [name for name, holder in self._holders.items() if holder == id_]:
            del self._holders[name]
