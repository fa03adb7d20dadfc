"""What the kernel reports of processes becomes steps: who ran which program, and for how long."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from lab.pod_starts.process_listener import LOST, read_event
from lab.pod_starts.processes import Executions

if TYPE_CHECKING:
    from collections.abc import Sequence

CONTAINERD, SERVER = 100, 200
MS = 1_000_000


def ran(at: float, pid: int, *arguments: str, file: str = "", command: str = "", inside: bool = False) -> list[Any]:
    """A program was executed."""
    return ["exec", int(at * MS), pid, file or f"/usr/bin/{arguments[0]}", list(arguments), command, inside]


def fork(at: float, child: int, parent: int) -> list[Any]:
    """A process was made."""
    return ["fork", int(at * MS), child, parent]


def ended(at: float, pid: int) -> list[Any]:
    """A process has ended."""
    return ["exit", int(at * MS), pid]


def steps(*events: Sequence[Any], until: float = 100) -> list[tuple[str, str, str, float, float]]:
    """The steps of the events, in order."""
    executions = Executions({CONTAINERD: "containerd", SERVER: "cri-shim"}).read(events)
    assert executions.complete
    made = executions.steps(0, int(until * MS))
    return [(one.from_, one.to, one.what, one.start_ms, one.duration_ms) for one in made]


SHIM = ("containerd-shim-runc-v2", "-namespace", "k8s.io", "-id", "1")


def test_from_containerd_to_the_containers_program():
    """The shim's start ends and the shim stays; runc's parts; the container's program begins in its own process."""
    assert steps(
        fork(1, 1, CONTAINERD),
        ran(1, 1, *SHIM, "start"),
        fork(2, 2, 1),
        ran(2.5, 2, *SHIM),
        ended(4, 1),
        fork(5, 3, 2),
        ran(5, 3, "runc", "--root", "/run", "create", "1"),
        fork(6, 4, 3),
        ran(6, 4, "runc", "init", file="/proc/self/exe"),
        ran(6.2, 4, "/usr/bin/runc", "init", file="/memfd:runc_cloned (deleted)", inside=True),
        fork(6.5, 5, 3),
        ended(7, 4),
        ended(9, 3),
        fork(10, 6, 2),
        ran(10, 6, "runc", "--root", "/run", "start", "1"),
        ran(11, 5, "sh", "-c", "sleep 1", file="/bin/sh", inside=True),
        ended(12, 6),
        fork(13, 7, 5),
        ran(13, 7, "sleep", "1", inside=True),
    ) == [
        ("containerd", "shim", "shim start", 1, 3),
        ("shim", "shim", "shim serving", 2.5, 0),
        ("shim", "runc", "runc create", 5, 4),
        ("runc", "runc", "runc init", 6, 1),
        ("shim", "runc", "runc start", 10, 2),
        ("runc", "container", "the container's program", 11, 0),
    ]


def test_plugins_with_their_command_and_without_what_they_run():
    """A CNI plugin that runs iptables is one step."""
    assert steps(
        fork(1, 1, SERVER),
        ran(1, 1, "/usr/lib/cni/bridge", file="/usr/lib/cni/bridge", command="ADD"),
        fork(2, 2, 1),
        ran(2, 2, "iptables", "-t", "nat"),
        ended(3, 2),
        ended(5, 1),
    ) == [("cri-shim", "CNI", "bridge ADD", 1, 4)]


def test_a_wrapper_and_what_it_becomes_are_one_step():
    """A program that executes another one for the same work: runc behind a wrapper, nsenter and ip, a script."""
    assert steps(
        fork(1, 1, SERVER),
        ran(1, 1, "nsenter", "--net", "ip", "addr"),
        ran(2, 1, "ip", "addr"),
        ended(3, 1),
        fork(4, 2, CONTAINERD),
        ran(4, 2, "/bin/sh", "/var/lib/cri-shim/shim-calls", "start", file="/usr/bin/dash"),
        ran(5, 2, *SHIM, "start"),
        ended(6, 2),
    ) == [
        ("cri-shim", "program", "nsenter", 1, 2),
        ("containerd", "program", "shim-calls", 4, 1),
        ("containerd", "shim", "shim start", 5, 1),
    ]


def test_other_programs_of_the_machine_and_hooks_are_left_out():
    """What no daemon has run is not ours; what runc runs outside of the container is a hook."""
    assert steps(
        fork(1, 1, 999),
        ran(1, 1, "runc", "create", "1"),
        fork(2, 2, CONTAINERD),
        ran(2, 2, *SHIM),
        fork(3, 3, 2),
        ran(3, 3, "runc", "create", "1"),
        fork(4, 4, 3),
        ran(4, 4, "libnetwork-setkey", file="/usr/sbin/dockerd"),
    ) == [("containerd", "shim", "shim serving", 2, 0), ("shim", "runc", "runc create", 3, 97)]


def test_a_start_of_which_something_is_not_known_is_not_complete():
    """A program that ended before its name was read, and events for which the kernel had no room."""
    nameless = [fork(1, 1, CONTAINERD), ["exec", MS, 1, "", [], "", False]]
    assert not Executions({CONTAINERD: "containerd"}).read(nameless).complete
    assert not Executions({CONTAINERD: "containerd"}).read([[LOST, 1]]).complete


def message(kind: int, *numbers: int) -> bytes:
    """One message of the kernel."""
    return bytes(36) + struct.pack("=IIQIIII", kind, 0, 7, *numbers)


def test_threads_are_no_processes():
    """The kernel reports those, too."""
    assert read_event(message(1, 10, 10, 11, 11)) == ["fork", 7, 11, 10]
    assert read_event(message(1, 10, 10, 12, 10)) is None
    assert read_event(message(2, 11, 11, 0, 0)) == ["exec", 7, 11]
    assert read_event(message(0x80000000, 11, 11, 0, 17)) == ["exit", 7, 11]
    assert read_event(message(0x80000000, 12, 10, 0, 17)) is None
    assert read_event(message(4, 1, 1, 1, 1)) is None
    assert read_event(b"short") is None
