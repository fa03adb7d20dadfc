"""On a real node: silent when it is healthy, and each fault that is provoked ends when its remedy is followed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.bridge import merged, program
from lab.containerd import PrivateContainerd, mounts_below, toml
from lab.pods import Pod

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.lab import Lab


class Examined:
    """What one run of the doctor has printed."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        assert done.stdout, done.stderr
        self.exit_code = done.returncode
        self.document = json.loads(done.stdout)
        self.errors = [each["code"] for each in self.document["findings"] if each["severity"] == "error"]

    def finding(self, code: str) -> dict[str, Any]:
        """Return the finding with a code."""
        return next(each for each in self.document["findings"] if each["code"] == code)

    def codes(self) -> set[str]:
        """Return the codes of all findings."""
        return {each["code"] for each in self.document["findings"]}


AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


async def examine(
    lab: Lab, settings: dict[str, Any] | None = None, *options: str, before: Sequence[str] = ()
) -> Examined:
    """Run the doctor with the lab's configuration and further settings, by the command ``before``."""
    file = lab.directory / "doctor.toml"
    file.write_text(toml(merged(lab.bridge.configuration(), settings or {})))
    file.chmod(0o644)
    command = [*before, *program(), "doctor", "--config", str(file), "-o", "json", *options]
    return Examined(
        await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
    )


async def follow(finding: dict[str, Any]) -> None:
    """Run the command of a remedy as it is printed."""
    command = next(line for line in finding["remedy"] if line.startswith("$ ")).removeprefix("$ ")
    done = await asyncio.to_thread(subprocess.run, ["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stderr)


def traces(lab: Lab) -> object:
    """Return what a doctor that changed something here would have changed: files, mounts and records of this lab."""
    files = [
        (str(path), path.lstat().st_mtime_ns)
        for top in (lab.root, lab.state, lab.network.conf_dir, lab.network.cache_dir)
        for path in sorted(top.rglob("*"))
        if path.name != "transport.json"
    ]
    return files, mounts_below(lab.directory), lab.containerd.ctr("containers", "ls", "-q")


async def test_a_healthy_node_with_a_pod_has_no_errors_and_stays_as_it_is(lab):
    (lab.logs / "pod").mkdir(exist_ok=True)
    pod = await Pod.run(lab.client, lab.busybox, cgroup_parent=lab.cgroup_parent, log_directory=lab.logs / "pod")
    for directory in (lab.state / "sandboxes", lab.root / "sandboxes"):
        os.utime(directory / pod.id, (1000, 1000))  # old enough to count as a leftover, if it had no record
    before = traces(lab)
    examined = await examine(lab)
    assert traces(lab) == before
    assert (examined.errors, examined.exit_code) == ([], 0)
    assert {"leftover-directories", "leftover-mounts", "daemon-not-running"} & examined.codes() == set()
    fine = {each["code"]: each["what"] for each in examined.document["fine"]}
    assert str(lab.bridge.daemon.pid) in fine["daemon-not-running"]
    assert ".".join(map(str, lab.containerd.version[:2])) in fine["containerd-too-old"]
    assert examined.document["counts"]["not_made"] == 0
    await lab.remove_all()


async def test_a_user_is_shown_what_stays_unknown(lab):
    examined = await examine(lab, None, before=AS_NOBODY)
    assert (examined.errors, examined.exit_code) == ([], 0)
    assert examined.finding("not-root")["severity"] == "unknown"
    assert {"containerd-too-old", "leftover-directories"} <= {each["code"] for each in examined.document["not_made"]}
    assert (await examine(lab, None, "--strict", before=AS_NOBODY)).exit_code == 1


async def test_a_missing_program_of_a_plugin(lab, tmp_path):
    settings = {"cni": {"bin_dir": str(tmp_path)}}
    examined = await examine(lab, settings)
    assert "cni-program-missing" in examined.errors
    assert examined.exit_code == 1
    for name in ("bridge", "host-local", "portmap", "bandwidth"):
        shutil.copy(Path("/usr/lib/cni") / name, tmp_path)
    (tmp_path / "host-local").chmod(0o644)
    examined = await examine(lab, settings)
    assert examined.errors == ["cni-program-not-executable"]
    await follow(examined.finding("cni-program-not-executable"))
    assert (await examine(lab, settings)).errors == []


async def test_a_broken_configuration_of_a_network(lab):
    broken = lab.network.conf_dir / "05 bad.conflist"
    broken.write_text('{"name": "x", "plugins": ')
    try:
        examined = await examine(lab)
        assert examined.errors == ["cni-file-broken"]
        await follow(examined.finding("cni-file-broken"))
        assert (await examine(lab)).errors == []
    finally:
        for file in lab.network.conf_dir.glob("05*"):
            file.unlink()


async def test_a_port_in_use(lab):
    with contextlib.closing(socket.socket()) as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        settings = {"http": {"address": f"127.0.0.1:{server.getsockname()[1]}"}}
        examined = await examine(lab, settings)
        assert examined.errors == ["port-in-use"]
        assert f"process {os.getpid()}" in examined.finding("port-in-use")["what"]
    assert (await examine(lab, settings)).errors == []


async def test_a_second_daemon_on_one_root(lab, tmp_path):
    other = {"address": lab.containerd.address, "namespace": "other"}
    second = {"socket_path": str(tmp_path / "s"), "state": str(tmp_path / "state"), "containerd": other}
    examined = await examine(lab, second)
    assert examined.errors == ["two-daemons"]
    assert (
        f"another cri-shim (process {lab.bridge.daemon.pid}) uses {lab.root}" in examined.finding("two-daemons")["what"]
    )
    assert (await examine(lab, {**second, "root": str(tmp_path / "root")})).errors == []


async def test_containerd_that_is_gone(lab):
    lab.containerd.kill9()
    try:
        examined = await examine(lab)
        assert examined.errors == ["containerd-not-listening"]
        Path(lab.containerd.address).unlink()
        assert (await examine(lab)).errors == ["containerd-socket-missing"]
    finally:
        await asyncio.to_thread(lab.containerd.start)
    assert (await examine(lab)).errors == []


async def test_a_daemon_with_mounts_of_its_own(lab):
    """This is what PrivateTmp= and its like do to a unit: containerd does not see what the daemon mounts."""
    command = list(lab.bridge.daemon.command)
    await asyncio.to_thread(lab.bridge.stop)
    lab.bridge.daemon.command[:] = ["unshare", "--mount", "--propagation", "private", *command]
    try:
        await asyncio.to_thread(lab.bridge.start)
        examined = await examine(lab)
        assert "mounts-hidden" in examined.errors
        assert str(lab.state) in examined.finding("mounts-hidden")["what"]
    finally:
        await asyncio.to_thread(lab.bridge.stop)
        lab.bridge.daemon.command[:] = command
        await asyncio.to_thread(lab.bridge.start)
    assert (await examine(lab)).errors == []


async def test_mounts_that_are_not_shared(lab, tmp_path):
    """Judged are the mounts of this shell, where no daemon runs; here it is a shell with mounts of its own."""
    elsewhere = {name: str(tmp_path / name) for name in ("socket_path", "root", "state")}
    private = ("unshare", "--mount", "--propagation", "private")
    examined = await examine(lab, elsewhere, before=private)
    assert examined.finding("mounts-not-shared")["severity"] == "warning"
    assert examined.finding("mounts-hidden")["severity"] == "unknown"
    remedy = next(line for line in examined.finding("mounts-not-shared")["remedy"] if line.startswith("$ "))
    mended = (*private, "sh", "-c", f'{remedy.removeprefix("$ ")}; exec "$@"', "sh")
    assert "mounts-not-shared" not in (await examine(lab, elsewhere, before=mended)).codes()


async def test_a_shim_and_a_runtime_that_are_missing(lab, tmp_path):
    handler = {"runtime_path": str(tmp_path / "shim"), "options": {"BinaryName": str(tmp_path / "runc")}}
    settings = {"containerd": {"runtimes": {"other": {"runtime_type": "io.containerd.runc.v2", **handler}}}}
    assert set((await examine(lab, settings)).errors) == {"shim-missing", "runtime-missing"}


async def test_the_cri_plugin_on_our_namespace(lab, tmp_path):
    """With the line that the remedy gives, the plugin is off and the rest of containerd works."""
    containerd = PrivateContainerd(
        tmp_path / "c", cri_plugin=True, cni_conf_dir=lab.network.conf_dir, sandbox_image=lab.pause
    )
    settings = {"containerd": {"address": containerd.address}}
    try:
        await asyncio.to_thread(containerd.start)
        examined = await examine(lab, settings)
        assert examined.errors == ["containerd-cri-plugin-on"]
        line = next(
            line for line in examined.finding("containerd-cri-plugin-on")["remedy"] if line.startswith("disabled")
        )
        await asyncio.to_thread(containerd.daemon.stop)
        names = re.findall(r'"([^"]+)"', line)
        assert line == f"disabled_plugins = {json.dumps(names)}"
        containerd.disabled = tuple(names)
        await asyncio.to_thread(containerd.start)
        assert (await examine(lab, settings)).errors == []
    finally:
        await asyncio.to_thread(containerd.stop)


async def test_what_a_crash_has_left(lab):
    left = lab.state / "sandboxes" / "0123456789abcdef"
    left.mkdir()
    os.utime(left, (1000, 1000))
    examined = await examine(lab)
    assert str(left) in examined.finding("leftover-directories")["what"]
    await asyncio.to_thread(lab.bridge.restart)
    assert "leftover-directories" not in (await examine(lab)).codes()
    assert not left.exists()


async def test_a_mistake_in_the_configuration(lab):
    examined = await examine(lab, {"cni": {"max_conf_num": -1}})
    assert examined.errors == ["config-invalid"]


async def test_the_daemon_does_not_start_without_root_or_its_directories(lab, tmp_path):
    """It makes the fatal checks itself, with the doctor's texts, before it touches anything."""
    (tmp_path / "root").write_text("")
    settings = {"root": str(tmp_path / "root"), "state": str(tmp_path / "state"), "socket_path": str(tmp_path / "s")}
    file = lab.directory / "start.toml"
    file.write_text(toml(merged(lab.bridge.configuration(), settings)))
    file.chmod(0o644)
    for before, text in ((AS_NOBODY, "must run as root"), ((), f"{tmp_path}/root is not a directory")):
        command = [*before, *program(), "serve", "--config", str(file)]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert text in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root"]
