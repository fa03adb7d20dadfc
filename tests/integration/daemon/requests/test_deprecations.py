"""containerd's deprecation warnings reach the CRI's client, from a containerd that really warns."""

from __future__ import annotations

import asyncio
import json

import pytest
import pytest_asyncio

from cri_shim.node.deprecations import CONDITION, REASON
from lab.lab import Lab

# Tracing by a key of the file, which 1.7 and 2.x call deprecated; nothing listens there, and nothing is ever sent.
OLD_SECTION = {"io.containerd.tracing.processor.v1.otlp": {"endpoint": "http://127.0.0.1:9"}}
WARNING = "io.containerd.deprecation/tracing-processor-config"


@pytest_asyncio.fixture(loop_scope="session")
async def warned():
    """A node whose containerd is configured in a way that is going away."""
    async with Lab("bridge") as lab:
        if lab.containerd.version < (1, 7):
            pytest.skip("containerd 1.6 has no deprecation warnings")
        lab.containerd.plugins = OLD_SECTION
        await asyncio.to_thread(lab.containerd.restart)
        yield lab


async def conditions(lab, **containerd):
    """Conditions of the node by type, from a daemon with these settings."""
    lab.bridge.settings = {"containerd": containerd}
    await asyncio.to_thread(lab.bridge.restart)
    return {each.type: each for each in (await lab.client.Status()).status.conditions}


async def test_a_warning_is_a_condition(warned):
    """The warning is in the condition under its name, the node stays ready; a warning that is ignored is not there."""
    conditions_now = await conditions(warned)
    assert (conditions_now[CONDITION].status, conditions_now[CONDITION].reason) == (False, REASON)
    assert WARNING in json.loads(conditions_now[CONDITION].message)
    assert conditions_now["RuntimeReady"].status
    assert CONDITION not in await conditions(warned, ignore_deprecation_warnings=[WARNING])
