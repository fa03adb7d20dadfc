"""Other daemons, other hands on the sockets, signals that were meant for others, and a thousand calls at once."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
from collections import Counter
from pathlib import Path

import grpc
import pytest

from lab.bridge import merged, program
from lab.containerd import toml
from lab.cri_client import CriClient
from tests.integration.daemon.conftest import run_pod

PATIENCE = 30.0


async def until(condition, what):
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.05)
    assert condition(), what


@pytest.mark.parametrize("own", ["root", "state"])
async def test_two_daemons_never_share_a_directory(lab, tmp_path, own):
    """A second daemon with another socket is refused by the directory it shares, with the holder and what to do."""
    settings = lab.bridge.configuration() | {"socket_path": str(tmp_path / "s"), own: str(tmp_path / own)}
    (tmp_path / "toml").write_text(toml(settings))
    command = [*program(), "serve", "--config", str(tmp_path / "toml")]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=20, check=False)
    shared = "state" if own == "root" else "root"
    assert done.returncode == 1
    assert f"another cri-shim (process {lab.bridge.daemon.pid}) uses {getattr(lab.bridge, shared)}" in done.stderr
    assert f"give this one a {shared} of its own" in done.stderr
    assert (await lab.client.Version()).runtime_api_version == "v1"


@pytest.mark.parametrize("way", ["the address", "a link", "a link to the directory"])
async def test_two_daemons_never_share_a_namespace(lab, tmp_path, way):
    """With everything else of its own, the second would clear the first one's half-made pods out of containerd."""
    address = Path(lab.containerd.address)
    if way == "a link":
        (tmp_path / "link").symlink_to(address)
        address = tmp_path / "link"
    elif way == "a link to the directory":
        (tmp_path / "link").symlink_to(address.parent)
        address = tmp_path / "link" / address.name
    own = {"socket_path": str(tmp_path / "s"), "root": str(tmp_path / "root"), "state": str(tmp_path / "state")}
    settings = merged(lab.bridge.configuration() | own, {"containerd": {"address": str(address)}})
    (tmp_path / "toml").write_text(toml(settings))
    command = [*program(), "serve", "--config", str(tmp_path / "toml")]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1
    assert f"another cri-shim (process {lab.bridge.daemon.pid}) has the pods in namespace k8s.io" in done.stderr
    assert "use another containerd.namespace" in done.stderr
    assert (await lab.client.Version()).runtime_api_version == "v1"


@pytest.mark.parametrize("own", ["root", "state"])
async def test_one_daemons_root_is_not_anothers_state(lab, tmp_path, own):
    """Each clears its directories of what it has no record of."""
    other = "state" if own == "root" else "root"
    own_paths = {"socket_path": str(tmp_path / "s"), own: str(getattr(lab.bridge, other)), other: str(tmp_path / other)}
    (tmp_path / "toml").write_text(toml(lab.bridge.configuration() | own_paths))
    command = [*program(), "serve", "--config", str(tmp_path / "toml")]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1
    assert f"another cri-shim (process {lab.bridge.daemon.pid}) uses {own_paths[own]}" in done.stderr
    assert f"give this one a {own} of its own" in done.stderr


async def test_locks_end_with_the_daemon(lab):
    """No child of it has them, and a daemon that was killed leaves none that hinder the next."""
    pod = await run_pod(lab)
    container = await pod.start()
    directories = (lab.bridge.root, lab.bridge.state)
    inodes = {(each / name).stat().st_ino for each in directories for name in ("root.lock", "state.lock")}
    assert len(inodes) == 4
    holders = Counter(
        int(line.split()[4]) for line in Path("/proc/locks").read_text().splitlines() if int(_inode(line)) in inodes
    )
    assert holders == {lab.bridge.daemon.pid: 4}
    lab.bridge.kill9()
    await asyncio.to_thread(lab.bridge.start)
    assert (await container.status()).id == container.id
    await pod.remove()


def _inode(line: str) -> str:
    return line.split()[5].rpartition(":")[2]


async def test_signals_that_mean_nothing(lab):
    """Those that a daemon in Go lives through are logged, and the daemon serves on."""
    numbers = [signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF]
    numbers += [signal.SIGIO, signal.SIGPWR, signal.SIGXCPU]
    for number in (*numbers, signal.SIGPIPE, signal.SIGXFSZ):
        os.kill(lab.bridge.daemon.pid, number)
    await until(lambda: lab.bridge.log.count("daemon.signal_ignored") >= len(numbers), "signals are logged")
    assert (await lab.client.Version()).runtime_api_version == "v1"
    assert lab.bridge.daemon.alive


async def test_a_deleted_socket_is_made_again(lab):
    """With its mode; who was connected goes on, who connects now is answered, and a stop removes it."""
    mode = lab.bridge.socket.stat().st_mode
    events = lab.client.stream("GetContainerEvents")
    await asyncio.wait_for(events.initial_metadata(), PATIENCE)
    for _ in range(2):
        lab.bridge.socket.unlink()
        await until(lab.bridge.socket.exists, "the socket is back")
        async with CriClient(lab.endpoint) as new:
            await asyncio.wait_for(new.Version(), PATIENCE)
        assert lab.bridge.socket.stat().st_mode == mode
    async with CriClient(lab.endpoint) as new:
        assert await lab.client.ListPodSandbox() == await new.ListPodSandbox()
    pod = await run_pod(lab)
    assert (await asyncio.wait_for(events.read(), PATIENCE)).container_id == pod.id
    events.cancel()
    await pod.remove()
    assert lab.bridge.log.count("daemon.socket_remade") == 2
    assert await asyncio.to_thread(lab.bridge.stop) == 0
    assert not lab.bridge.socket.exists()


async def test_a_socket_that_cannot_be_had_ends_the_daemon(lab):
    """With a line in the log and an exit code, so that the service manager and the operator see it."""
    lab.bridge.socket.unlink()
    lab.bridge.socket.mkdir()
    try:
        assert await asyncio.to_thread(lab.bridge.daemon.wait, PATIENCE) == 1
    finally:
        lab.bridge.socket.rmdir()
    assert "daemon.socket_lost" in lab.bridge.log


async def test_thousands_of_calls_at_once_are_all_answered(lab):
    """None is cancelled by the server for its number."""
    async with CriClient(lab.endpoint) as client:
        outcomes = await asyncio.gather(*(_outcome(client) for _ in range(4000)))
    assert Counter(outcomes) == {"OK": 4000}


async def test_the_ledger_on_a_unix_socket(lab):
    """Only root and its group can read it, the terminal commands find it, and it is made again when it is deleted."""
    before, path = lab.bridge.settings, lab.directory / "http.sock"
    lab.bridge.settings = merged(before, {"http": {"address": f"unix://{path}"}})
    try:
        await asyncio.to_thread(lab.bridge.restart)
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        await lab.client.Version()
        config = ("--config", str(lab.bridge.config_file))
        assert "Version" in await _printed("hops", *config)
        path.unlink()
        await until(path.exists, "the socket is back")
        for address in (str(path), f"unix://{path}"):
            assert "Version" in await _printed("hops", *config, "--address", address)
        assert "Version" in await _printed("explain", *config, "Version")
    finally:
        lab.bridge.settings = before
        await asyncio.to_thread(lab.bridge.restart)
    assert not path.exists()


async def _printed(*arguments: str) -> str:
    command = [*program(), *arguments]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def _outcome(client: CriClient) -> str:
    try:
        await client.ListPodSandbox()
    except grpc.aio.AioRpcError as error:
        return f"{error.code().name}: {error.details()}"
    return "OK"
