"""The names of the pod and the container that a request is about.

Most requests carry only an id, and people know names. The state has the names of what exists. Those of what was removed
are known for as long as the ledger remembers a request about it: its requests share one value, and this module only
refers to that weakly. Nothing here runs while a request is worked on (docs/ledger.md, "What is kept").
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from msgspec import Struct
from msgspec.structs import replace

from untrusted import escaped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cri_shim.state.containers import Container
    from cri_shim.state.index import Index
    from cri_shim.state.sandboxes import Sandbox

JUST_REMOVED: Final = 64
"""How many removed objects are known even if no remembered request is about them: their removal is about to be kept."""
_FULL_ID: Final = 64


class Life(Struct, frozen=True):
    """What became of a removed pod or container. Times are nanoseconds since 1970; 0 is "not known" or "never"."""

    created_at: int = 0
    started_at: int = 0
    finished_at: int = 0
    exit_code: int = 0
    reason: str = ""


class ObjectNames(Struct, weakref=True):
    """Ids and names of a pod and, for a request about a container, of that container; empty where not known."""

    pod_id: str
    namespace: str
    pod: str
    container_id: str = ""
    container: str = ""
    image: str = ""
    """The container's image, as the request that created it names it."""
    life: Life = Life()
    """Known of what was removed."""


class KnownNames:
    """Finds the names of the objects in both indexes, and of those that were removed from them."""

    def __init__(self, sandboxes: Index[Sandbox], containers: Index[Container]) -> None:
        self._sandboxes = sandboxes
        self._containers = containers
        self._existing: dict[str, ObjectNames] = {}
        """By the id of what a request was about; the other objects have no entry."""
        self._removed: WeakValueDictionary[str, ObjectNames] = WeakValueDictionary()
        self._just_removed: deque[ObjectNames] = deque(maxlen=JUST_REMOVED)
        sandboxes.watch(self._sandbox_changed)
        containers.watch(self._container_changed)

    def of(self, subject: Mapping[str, str]) -> ObjectNames | None:
        """Return the names for the ``subject`` of a request; None if it is not about a pod or container we know."""
        if container_id := subject.get("container_id"):
            return self._of_container(container_id)
        name = subject.get("name", "")
        if sandbox_id := subject.get("sandbox_id"):
            pod = self._of_sandbox(sandbox_id)
            # The only name beside a pod's id is that of a container that could not be created.
            return replace(pod, container=name) if pod is not None and name and "namespace" not in subject else pod
        return ObjectNames("", subject["namespace"], name) if "namespace" in subject else None

    def _of_sandbox(self, ref: str) -> ObjectNames | None:
        if (names := self._existing.get(ref) or self._removed.get(ref)) is not None:
            return names if not names.container_id else None
        sandbox = self._sandboxes.exact(ref)
        if sandbox is None:
            id_ = _completed(ref, self._ids(self._sandboxes, of_containers=False))
            return None if id_ is None else self._of_sandbox(id_)
        names = self._existing[sandbox.id] = _of_sandbox(sandbox)
        return names

    def _of_container(self, ref: str) -> ObjectNames | None:
        if (names := self._existing.get(ref) or self._removed.get(ref)) is not None:
            return names if names.container_id else None
        container = self._containers.exact(ref)
        if container is None:
            id_ = _completed(ref, self._ids(self._containers, of_containers=True))
            return None if id_ is None else self._of_container(id_)
        names = self._made(container)
        if names.pod:  # else its pod may still become known
            self._existing[container.id] = names
        return names

    def _made(self, container: Container) -> ObjectNames:
        pod = self._of_sandbox(container.sandbox_id) or ObjectNames(container.sandbox_id, "", "")
        config = container.config
        image = escaped(config.image.user_specified_image or config.image.image)
        return replace(pod, container_id=container.id, container=escaped(config.metadata.name), image=image)

    def _ids(self, index: Index[Sandbox] | Index[Container], *, of_containers: bool) -> Iterator[str]:
        yield from (value.id for value in index)
        yield from (id_ for id_, names in self._removed.items() if bool(names.container_id) is of_containers)

    def _sandbox_changed(self, old: Sandbox | None, new: Sandbox | None) -> None:
        if new is None and old is not None:
            names = self._existing.get(old.id) or _of_sandbox(old)
            names.life = Life(old.created_at)
            self._mark_removed(old.id, names)

    def _container_changed(self, old: Container | None, new: Container | None) -> None:
        if new is None and old is not None:
            names = self._existing.get(old.id) or self._made(old)
            status = old.status
            names.life = Life(
                status.created_at, status.started_at, status.finished_at, status.exit_code, escaped(status.reason)
            )
            self._mark_removed(old.id, names)

    def _mark_removed(self, id_: str, names: ObjectNames) -> None:
        self._existing.pop(id_, None)
        self._removed[id_] = names
        self._just_removed.append(names)


def _of_sandbox(sandbox: Sandbox) -> ObjectNames:
    metadata = sandbox.config.metadata
    return ObjectNames(sandbox.id, escaped(metadata.namespace), escaped(metadata.name))


def _completed(ref: str, ids: Iterator[str]) -> str | None:
    """Return the one id that begins with ``ref``; a request may carry the beginning of an id."""
    if len(ref) >= _FULL_ID:
        return None
    matching = {id_ for id_ in ids if id_.startswith(ref) and id_ != ref}
    return matching.pop() if len(matching) == 1 else None
