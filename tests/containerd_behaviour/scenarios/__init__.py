"""Scenarios: calls in an order, whose answers and events become a transcript."""

from __future__ import annotations

from tests.containerd_behaviour.scenarios import (
    collection,
    containers,
    content,
    execs,
    images,
    leases,
    namespaces,
    snapshots,
    tasks,
    times,
)

ALL = {
    module.__name__.rpartition(".")[2]: module.play
    for module in (namespaces, containers, images, content, snapshots, leases, collection, times, tasks, execs)
}
"""By the name of their transcripts."""
