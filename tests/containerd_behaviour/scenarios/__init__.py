"""Scenarios: calls in an order, whose answers and events become a transcript."""

from __future__ import annotations

from tests.containerd_behaviour.scenarios import (
    containers,
    content,
    execs,
    images,
    leases,
    namespaces,
    snapshots,
    tasks,
)

ALL = {
    module.__name__.rpartition(".")[2]: module.play
    for module in (namespaces, containers, images, content, snapshots, leases, tasks, execs)
}
"""By the name of their transcripts."""
