"""Derive the events of a change from the value before and the value after, by pure functions.

A pod or container is created, started, stopped and deleted, in this order; one change may pass several of these. Only
what was observed becomes an event: a container that never ran stops without having started, and one that recovery
finds ended is created and stopped. One that was believed to be stopped and turns out to run is started again.
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
    """Return the events of a change of a pod; None stands for an absent pod."""
    return _between(_sandbox_phase(old), _sandbox_phase(new))


def container_transitions(old: Container | None, new: Container | None) -> tuple[EventType, ...]:
    """Return the events of a change of a container; None stands for an absent container."""
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
    # A container in an unknown state may be running, whatever was seen of it; its stop is an event once it is certain.
    if container.status.finished_at and not container.unknown_reason:
        return STOPPED
    return STARTED if container.status.started_at else CREATED
