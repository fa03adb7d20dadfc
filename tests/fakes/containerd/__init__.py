"""A containerd that fits in a test: its services behind a unix socket, with faults on demand.

    async with FakeContainerd(tmp_path / "c.sock", version="1.6.20") as fake:
        fake.faults.add("Tasks/Create", FaultKind.UNKNOWN)
        ...
        assert fake.called("Tasks/Create")[0].code == "UNKNOWN"
        assert not fake.state["k8s.io"].containers

It keeps state in dictionaries and answers, refuses, publishes and collects as containerd does; no root is needed and
no process runs. What holds it to the real one are the bodies in ``tests/containerd_behaviour``, which run in front of
both. It serves what this project calls; anything else is UNIMPLEMENTED. See docs/adr/0037.
"""

from __future__ import annotations

from tests.fakes.containerd.calls import Call
from tests.fakes.containerd.faults import Fault, FaultKind, Faults
from tests.fakes.containerd.programs import Program
from tests.fakes.containerd.server import FakeContainerd
from tests.fakes.containerd.state import State

__all__ = ["Call", "FakeContainerd", "Fault", "FaultKind", "Faults", "Program", "State"]
