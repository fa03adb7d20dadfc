"""containerd's deprecation warnings as a condition of the node."""

from __future__ import annotations

import json
from typing import Any

from containerd_client.api.containerd.services.introspection.v1 import introspection_pb2 as pb
from containerd_client.errors import Unavailable
from cri_shim.node.deprecations import CONDITION, Deprecations


class FakeIntrospection:
    """Answers with these warnings, or not at all, and counts the questions."""

    def __init__(self, **warnings: str) -> None:
        self.warnings, self.asked, self.away = warnings, 0, False

    async def server(self):
        self.asked += 1
        if self.away:
            raise Unavailable("Server", "away")
        return pb.ServerResponse(
            deprecations=[pb.DeprecationWarning(id=name, message=text) for name, text in self.warnings.items()]
        )


async def test_warnings_become_one_condition():
    """All warnings are in one condition that is false, by their names; containerd is not asked again at once."""
    containerd: Any = FakeIntrospection(old="use new", older="gone soon")
    deprecations = Deprecations()
    for _ in range(2):
        (condition,) = await deprecations.conditions(containerd)
        assert (condition.type, condition.status) == (CONDITION, False)
        assert json.loads(condition.message) == {"old": "use new", "older": "gone soon"}
    assert containerd.asked == 1


async def test_nothing_to_warn_of():
    """Without warnings, or while containerd does not answer, there is no condition."""
    nothing: Any = FakeIntrospection()
    assert await Deprecations().conditions(nothing) == []
    away: Any = FakeIntrospection(old="use new")
    away.away = True
    assert await Deprecations().conditions(away) == []


async def test_what_is_ignored_is_left_out():
    """Warnings that the configuration names are in no condition; with all of them left out there is none."""
    containerd: Any = FakeIntrospection(old="use new", older="gone soon")
    (condition,) = await Deprecations(["old"]).conditions(containerd)
    assert json.loads(condition.message) == {"older": "gone soon"}
    assert await Deprecations(["old", "older"]).conditions(containerd) == []
