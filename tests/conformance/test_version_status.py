"""Version, Status: what the runtime says of itself."""

from __future__ import annotations

import json

import pytest


@pytest.mark.proves("RuntimeService.Version")
async def test_version_says_v1(client):
    """Version answers the API version v1 and names the runtime."""
    version = await client.Version(version="0.1.0")
    assert version.runtime_api_version == "v1"
    assert version.runtime_name
    assert version.runtime_version


@pytest.mark.proves("RuntimeService.Status")
async def test_status_is_ready(client):
    """Runtime and network are ready, each said exactly once."""
    conditions = (await client.Status()).status.conditions
    states = [(condition.type, condition.status) for condition in conditions]
    assert states.count(("RuntimeReady", True)) == 1
    assert states.count(("NetworkReady", True)) == 1


async def test_status_is_brief_unless_asked(client):
    """Without verbose there is no info; with it there is a config, in JSON."""
    assert not (await client.Status()).info
    info = (await client.Status(verbose=True)).info
    assert "config" in info
    assert isinstance(json.loads(info["config"]), dict)


@pytest.mark.proves("RuntimeService.UpdateRuntimeConfig")
async def test_update_runtime_config_is_taken(client):
    """A pod CIDR that is not needed, because the network is configured, is taken without complaint."""
    await client.UpdateRuntimeConfig(runtime_config={"network_config": {"pod_cidr": "10.99.0.0/24"}})
