"""`cri-shim status`: what is said of a daemon in each state, of an older one, and of what is no daemon at all."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import grpc
import pytest

from cri_shim import cli
from cri_shim.api.runtime.v1 import runtime_pb2 as cri
from tests.unit.terminal.fake_runtime import Runtime, new_status, now, part, serving, status

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.sock"


@pytest.fixture
def command(path, tmp_path, capsys):
    """Run the command on the socket; exit code, standard output and standard error."""
    config = tmp_path / "config.toml"
    config.write_text(f"socket_path = '{path}'\n")

    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(["status", "--config", str(config), *arguments])
        out, err = capsys.readouterr()
        assert all(fits(line) for line in (out + err).splitlines() if "json" not in arguments), out + err
        return code, out, err

    return run


def fits(line: str) -> bool:
    """Return whether a line has 80 columns at most; only a path that is longer than that may be alone on more."""
    return len(line) <= 80 or len(line.split()) <= 2


def words(text: str) -> str:
    """Return a text without its line breaks and columns."""
    return " ".join(text.split())


def test_a_daemon_that_is_ready(path, command):
    """Code 0; everything that an operator asks for first is on the page."""
    with serving(path, Runtime()):
        code, out, err = command()
    assert (code, err) == (0, "")
    said = words(out)
    for expected in (
        "cri-shim 0.3.0 is ready",
        "process 4711, up 2 h 5 min",
        "configuration /etc/cri-shim/other.toml",
        f"socket {path}",
        "containerd ready 2 h 5 min 1.7.24 /run/containerd/containerd.sock",
        "network ready 2 h 5 min mynet last error, 2 min ago: no network config found in /x",
        "sandbox image - not here yet",
        "handlers runc (default), crun",
        "pods 1 notready, 3 ready",
        "containers 5 running",
        "images 7, 1 being pulled",
        "null call 0.123 ms (±0.011), to containerd and back",
        "front hop 0.400 ms (±0.100)",
        "loop lag 0.200 ms, at most 1.40 ms in a minute",
        "explorer http://127.0.0.1:9735",
    ):
        assert expected in said, expected


def test_json_has_the_same(path, command):
    """One document, with numbers as numbers."""
    with serving(path, Runtime()):
        code, out, _ = command("-o", "json")
    document = json.loads(out)
    assert code == 0
    assert document["ready"] is True
    assert (document["reasons"], document["error"], document["version"]) == ([], "", "0.3.0")
    assert document["daemon"]["pid"] == 4711
    assert 7500 <= document["daemon"]["uptime_s"] < 7500 + 600
    assert document["containerd"]["version"] == "1.7.24"
    assert document["pods"] == {"ready": 3, "notready": 1}
    assert [each["name"] for each in document["handlers"] if each["default"]] == ["runc"]
    assert [each["ready"] for each in document["parts"]] == [True, True, None]


def test_a_daemon_that_is_not_ready(path, command):
    """Code 1, and the reason once, at the part that it is about."""
    away = "containerd is away: no connection"
    parts = [part("containerd", ready=False, reason=away, since=now() - 200, last_error=away), part("network")]
    runtime = Runtime()
    answer = new_status(parts=parts)
    answer.status.conditions[0].status = False
    answer.status.conditions[0].message = away
    runtime.answers["Status"] = answer
    with serving(path, runtime):
        code, out, err = command()
        document = json.loads(command("-o", "json")[1])
    assert (code, err) == (1, "")
    assert "is NOT READY" in out
    assert f"containerd NOT READY 3 min {away}" in words(out)
    assert out.count("is away") == 1
    assert document["ready"] is False
    assert document["reasons"] == [f"containerd: {away}"]


def test_a_long_reason_is_said_once_too(path, command):
    """It is the same reason at the part and at the top, however much of it fits."""
    long = "no network " + "x" * 1000
    runtime = Runtime()
    answer = new_status(parts=[part("network", ready=False, reason=long)])
    answer.status.conditions[1].status = False
    answer.status.conditions[1].message = f"network plugin is not ready: {long}"
    runtime.answers["Status"] = answer
    with serving(path, runtime):
        _, out, _ = command()
    assert words(out).count("no network xxx") == 1


def test_a_warning_of_containerds_is_shown(path, command):
    """It is a condition that is false, and the daemon is ready all the same."""
    runtime = Runtime()
    answer = new_status()
    answer.status.conditions.add(type="ContainerdHasNoDeprecationWarnings", status=False, message='{"a": "b"}')
    runtime.answers["Status"] = answer
    with serving(path, runtime):
        code, out, _ = command()
    assert code == 0
    assert 'ContainerdHasNoDeprecationWarnings: {"a": "b"}' in out


def test_a_daemon_of_an_older_version(path, command):
    """What it says is shown, what it counts is counted from its lists, and the rest is unknown."""
    runtime = Runtime()
    config = {"containerdEndpoint": "/c.sock", "containerd": {"default_runtime_name": "crun"}}
    runtime.answers["Status"] = status(info={"config": json.dumps(config)}, network="no network config found")
    runtime.answers["ListPodSandbox"] = cri.ListPodSandboxResponse(
        items=[cri.PodSandbox(state=cri.SANDBOX_READY), cri.PodSandbox(state=cri.SANDBOX_NOTREADY)]
    )
    runtime.answers["ListContainers"] = grpc.StatusCode.UNAVAILABLE
    with serving(path, runtime):
        code, out, _ = command()
        document = json.loads(command("-o", "json")[1])
    said = words(out)
    assert code == 1
    for expected in (
        "process unknown",
        "configuration unknown",
        "containerd ready unknown /c.sock",
        "network NOT READY unknown no network config found",
        "streaming unknown",
        "pods 1 notready, 1 ready",
        "containers unknown",
        "null call unknown",
        "loop lag unknown",
        "explorer unknown",
        "crun (default)",
    ):
        assert expected in said, expected
    assert document["containers"] is None
    assert document["daemon"]["pid"] is None


@pytest.mark.parametrize(
    "info",
    [
        *("no JSON", "[]", "{}", "[" * 200_000),
        '{"parts": 5, "pods": [], "started_at": "x", "null_hop_ms": ""}',
        '{"parts": [{"name": "a", "last_error": "x", "last_error_at": -1e999}]}',
        *(f'{{"started_at": {number}}}' for number in ("NaN", "1e400", "1e300", "1" * 400, "1" * 50, "true")),
    ],
)
def test_a_verbose_part_in_another_form_says_nothing(path, command, info):
    """Data of another program, even of another version of this one, is read with care."""
    runtime = Runtime()
    runtime.answers["Status"] = status(info={"daemon": info, "config": "[]"})
    with serving(path, runtime):
        code, out, _ = command()
    assert code == 0
    assert "null call unknown" in words(out)


def test_text_of_the_daemon_is_cleaned(path, command):
    """Errors have texts of CNI plugins and registries in them."""
    runtime = Runtime()
    runtime.answers["Status"] = new_status(parts=[part("network", ready=False, reason="\x1b[31mred\n" + "x" * 5000)])
    with serving(path, runtime):
        _, out, _ = command()
    assert "\x1b" not in out
    assert "more characters" in out


def test_another_runtime_is_not_taken_for_the_daemon(path, command):
    """It would answer as well, and mean something else."""
    runtime = Runtime("containerd")
    with serving(path, runtime):
        code, out, err = command()
    assert (code, out) == (1, "")
    assert f"containerd 0.3.0 answers at {path}, not cri-shim" in words(err)
    assert runtime.calls == ["Version"]


def test_a_grpc_server_that_is_no_runtime(path, command):
    """Version is what every runtime has."""
    runtime = Runtime()
    runtime.answers.clear()
    with serving(path, runtime):
        code, _, err = command()
    assert code == 1
    assert "has no Version of the CRI v1, so it is not cri-shim" in words(err)


def test_a_daemon_that_refuses_to_say(path, command):
    """The status of the call is shown."""
    runtime = Runtime()
    runtime.answers["Status"] = grpc.StatusCode.INTERNAL
    with serving(path, runtime):
        code, _, err = command()
    assert code == 1
    assert "does not answer Status: in a bad mood" in words(err)


def test_a_server_that_does_not_speak_grpc(path, command):
    """An HTTP server of the operator's, for example."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(8)

        def answer() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client, suppress(OSError):  # the first one is gone at once
                    client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        code, _, err = command()
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert code == 1
    assert f"what listens at {path} hangs, or does not speak the CRI" in words(err)


def test_a_daemon_that_hangs(path, command):
    """The time is bounded, also while its backlog is full."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(8)
        code, _, err = command("--wait", "0")
        assert code == 1
        assert "has given no answer for 0.5 s" in words(err)
        server.listen(0)
        with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
            for client in (first, second):
                client.setblocking(False)
                client.connect_ex(str(path))
            code, _, err = command("--wait", "0")
    assert code == 1
    assert "has given no answer for 0.5 s" in words(err)
    assert "systemctl restart cri-shim" in words(err)


def test_no_socket(path, command):
    """The daemon does not run, or runs with another file: both are said, with what to do."""
    code, out, err = command()
    assert (code, out) == (1, "")
    said = words(err)
    assert f"no cri-shim serves {path}: start it with `systemctl start cri-shim`" in said
    assert "--config" in said
    code, out, _ = command("-o", "json")
    assert (code, json.loads(out)["ready"]) == (1, False)
    assert json.loads(out)["error"].startswith("no cri-shim serves")


def test_a_socket_that_a_killed_daemon_has_left(path, command):
    """Nothing listens there any more."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    code, _, err = command()
    assert code == 1
    assert "the daemon that made it is gone" in words(err)


def test_a_path_that_is_no_socket(path, command):
    """Waiting would not help."""
    path.write_text("")
    began = time.monotonic()
    code, _, err = command("--wait", "60")
    assert code == 1
    assert time.monotonic() - began < 30
    assert f"{path} is not a socket" in words(err)


def test_a_socket_that_may_not_be_opened(path, command, monkeypatch):
    """The operator forgot sudo; waiting would not help."""

    def refuse(_path: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "stat", refuse)
    code, _, err = command("--wait", "60")
    assert code == 1
    assert f"not permitted to connect to {path}; run this as root" in words(err)


def test_a_path_below_a_file(path, command, tmp_path):
    """The error of the kernel, and no waiting."""
    code, _, err = command("--socket-path", f"{tmp_path}/config.toml/x.sock", "--wait", "60")
    assert code == 1
    assert "Not a directory" in words(err)
    assert "60" not in err


def test_waiting_until_a_daemon_is_there_and_ready(path, command):
    """Neither an absent daemon nor one that is not ready ends the wait."""
    runtime = Runtime()
    answers = iter([status(runtime="starting"), status(network="none"), new_status()])
    runtime.answers["Status"] = lambda: next(answers)
    runtime.answers["ListPodSandbox"] = cri.ListPodSandboxResponse()
    runtime.answers["ListContainers"] = cri.ListContainersResponse()
    over = threading.Event()

    def serve_later() -> None:
        time.sleep(0.3)
        with serving(path, runtime):
            over.wait()

    thread = threading.Thread(target=serve_later)
    thread.start()
    try:
        code, out, err = command("--wait", "60")
    finally:
        over.set()
        thread.join()
    assert (code, err) == (0, "")
    assert "is ready" in out
    assert runtime.calls.count("Status") == 3


def test_waiting_in_vain(path, command):
    """Code 1; what is not ready is on the page."""
    runtime = Runtime()
    answer = new_status(parts=[part("network", ready=False, reason="no network config found in /x")])
    answer.status.conditions[1].status = False
    answer.status.conditions[1].message = "network plugin is not ready: no network config found in /x"
    runtime.answers["Status"] = answer
    with serving(path, runtime):
        code, out, err = command("--wait", "0.6")
    assert code == 1
    assert err == "not ready after 0.6 s\n"
    assert "no network config found in /x" in out
    assert runtime.calls.count("Status") > 1


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "soon"])
def test_a_wait_that_is_no_time_is_wrong_usage(seconds):
    """Code 2, as for every wrong argument."""
    with pytest.raises(SystemExit) as caught:
        cli.main(["status", f"--wait={seconds}"])
    assert caught.value.code == 2
