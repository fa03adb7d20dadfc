"""Which events a change of a pod or container makes: pure functions of the value before and the value after.

A thing is created, started, stopped, deleted, in this order; one change may pass several of these. What nobody saw is
not told: a container that never ran stops without having started, one that was found ended is created and stopped.
Whoever was thought to have stopped and turns out to run is started again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cri_shim.api.runtime.v1 import runtime_pb2 as cri

if TYPE_CHECKING:
    from typing import TypeAlias

    from cri_shim.state.containers import Container
    from cri_shim.state.sandboxes import Sandbox

    EventType: TypeAlias = cri.ContainerEventType.ValueType

CREATED = cri.CONTAINER_CREATED_EVENT
STARTED = cri.CONTAINER_STARTED_EVENT
STOPPED = cri.CONTAINER_STOPPED_EVENT
DELETED = cri.CONTAINER_DELETED_EVENT


def sandbox_transitions(old: Sandbox | None, new: Sandbox | None) -> tuple[EventType, ...]:
    """The events of a change of a pod; None is for a pod that is not there."""
    return _between(_sandbox_phase(old), _sandbox_phase(new))


def container_transitions(old: Container | None, new: Container | None) -> tuple[EventType, ...]:
    """The events of a change of a container; None is for a container that is not there."""
    return _between(_container_phase(old), _container_phase(new))


def _between(before: EventType | None, after: EventType | None) -> tuple[EventType, ...]:
    if before == after:
        return ()
    if after is None:
        return (STOPPED, DELETED) if before == STARTED else (DELETED,)
    if before is None and after != CREATED:
        return CREATED, after
    return (after,)


def _sandbox_phase(sandbox: Sandbox | None) -> EventType | None:
    if sandbox is None:
        return None
    if sandbox.exited_at:
        return STOPPED
    return STARTED if sandbox.begun else CREATED


def _container_phase(container: Container | None) -> EventType | None:
    if container is None:
        return None
    # In trouble it may be running, whatever was seen of it: that it stopped is told when it is certain.
    if container.status.finished_at and not container.unknown_reason:
        return STOPPED
    return STARTED if container.status.started_at else CREATED
