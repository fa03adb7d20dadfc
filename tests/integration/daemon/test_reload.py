"""A running daemon reads its configuration again on SIGHUP, while a pod runs."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from lab.bridge import merged
from lab.containerd import toml
from tests.integration.daemon.conftest import run_pod

pytestmark = pytest.mark.root

PATIENCE = 30.0


@pytest.fixture
async def file(lab):
    """The daemon's file, which has its old content again afterwards, and the daemon too."""
    yield lab.bridge.config_file
    lab.bridge.config_file.write_text(toml(lab.bridge.configuration()))
    await _reload(lab, "daemon.reloaded")


async def _reload(lab, event):
    """Send SIGHUP and return what the daemon has logged by the time that it logs ``event``."""
    before = len(lab.bridge.log)
    os.kill(lab.bridge.daemon.pid, signal.SIGHUP)
    async with asyncio.timeout(PATIENCE):
        while f"event={event} " not in lab.bridge.log[before:]:
            await asyncio.sleep(0.02)
    return lab.bridge.log[before:]


async def test_what_can_change_changes_and_the_pod_runs_on(lab, file):
    """The level of the log, a key that needs a restart, a wrong file, and the same container all the time."""
    pod = await run_pod(lab)
    container = await pod.start()
    started = (await container.status()).started_at
    daemon = lab.bridge.daemon.pid

    new = {"log_level": "debug", "shutdown_grace": "3s", "socket_mode": "0600", "cni": {"timeout": "59s"}}
    file.write_text(toml(merged(lab.bridge.configuration(), new)))
    said = await _reload(lab, "daemon.restart_needed")
    assert 'log_level: \\"info\\" -> \\"debug\\"' in said
    assert "key=socket_mode" in said
    assert '"\\"0660\\""' in said
    assert '"\\"0600\\""' in said
    assert lab.bridge.socket.stat().st_mode & 0o777 == 0o660
    before = len(lab.bridge.log)
    await lab.client.ListPodSandbox()
    await _logged(lab, before, "level=debug event=rpc.ok rpc=ListPodSandbox")
    config = (await lab.client.Status(verbose=True)).info["config"]
    assert '"log_level": "debug"' in config or '"log_level":"debug"' in config

    file.write_text("log_level = 'loud'\nshutdown_grace = 3\n")
    said = await _reload(lab, "daemon.reload_refused")
    assert "log_level: is 'loud'" in said
    assert "shutdown_grace: is a whole number" in said
    file.unlink()
    assert "file not found" in await _reload(lab, "daemon.reload_refused")

    assert (await container.status()).started_at == started
    assert lab.bridge.daemon.pid == daemon
    second = await run_pod(lab)
    await second.remove()
    await pod.remove()


async def _logged(lab, before, text):
    async with asyncio.timeout(PATIENCE):
        while text not in lab.bridge.log[before:]:
            await asyncio.sleep(0.02)


async def test_a_reload_while_the_daemon_stops_changes_nothing(lab):
    """It ends with exit code 0, and reports nothing after the stop: systemd would take it for a daemon that serves."""
    daemon = lab.bridge.daemon
    before = len(lab.bridge.log)
    daemon.signal(signal.SIGTERM)
    async with asyncio.timeout(PATIENCE):
        while daemon.process.poll() is None:
            daemon.signal(signal.SIGHUP)
            await asyncio.sleep(0.003)
    assert daemon.wait() == 0
    said = lab.bridge.log[before:]
    assert "event=daemon.stopped" in said
    assert "event=daemon.reload" not in said.partition("event=daemon.stopping")[2]
    lab.bridge.start()
