"""The names that the kubelet gives: one pod or container each (cri-containerd's registrar)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.errors import AlreadyExistsError

if TYPE_CHECKING:
    from cri_shim.api.runtime.v1 import runtime_pb2 as cri


def sandbox_name(metadata: cri.PodSandboxMetadata) -> str:
    """``name_namespace_uid_attempt``, as the in-process plugin stores it."""
    return f"{metadata.name}_{metadata.namespace}_{metadata.uid}_{metadata.attempt}"


def container_name(metadata: cri.ContainerMetadata, pod: cri.PodSandboxMetadata) -> str:
    """``name_podname_podnamespace_poduid_attempt``, as the in-process plugin stores it."""
    return f"{metadata.name}_{pod.name}_{pod.namespace}_{pod.uid}_{metadata.attempt}"


class Names:
    """Which id holds which name. Reserving first and releasing last keeps two requests from making one thing twice."""

    def __init__(self) -> None:
        self._holders: dict[str, str] = {}

    def holder(self, name: str) -> str | None:
        """The id that holds ``name``."""
        return self._holders.get(name)

    def holders(self) -> set[str]:
        """All ids that hold a name."""
        return set(self._holders.values())

    def reserve(self, name: str, id_: str) -> None:
        """Give ``name`` to ``id_``; twice is once. Raises AlreadyExistsError when another id holds it."""
        holder = self._holders.setdefault(name, id_)
        if holder != id_:
            raise AlreadyExistsError(f"name {name!r} is reserved for {holder}; remove that one first")

    def release(self, id_: str) -> None:
        """Take back whatever name ``id_`` holds."""
        for name in [name for name, holder in self._holders.items() if holder == id_]:
            del self._holders[name]
