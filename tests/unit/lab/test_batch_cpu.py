"""The CPU of a batch is booked to the right roles, from the lines of a trace to the table."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from lab.measuring.batch_cpu import Made
from lab.measuring.batch_report import Run, Series, document, table
from lab.measuring.cpu_account import ELSEWHERE, Account, Arguments, Program, add_up
from lab.measuring.exec_listener import Exec, read_event
from lab.measuring.program_roles import IN_CONTAINERS, Role, of_task, role_of
from lab.measuring.scheduler_trace import Charged, Event, Executed, Forked, parse

CONTAINERD = Role("daemons", "containerd")
TRACE = """\
# tracer: nop
#              | | |         |   |||||     |         |
      containerd-12      [001] d....  5001.000100: sched_stat_runtime: comm=containerd pid=12 runtime=1000 [ns]
 Web Content-9 (x)-77    [000] d..2.  5001.000200: sched_stat_runtime: comm=a b pid=c pid=77 runtime=31 [ns]
      containerd-12      [001] .....  5001.000300: sched_process_fork: comm=containerd pid=12 child_comm=c child_pid=90
            runc-90      [000] .....  5001.000412: sched_process_exec: filename=/usr/sbin/runc pid=90 old_pid=90
      <...>-90      [000] .....  5001.000500: sched_process_exit: comm=runc pid=90 prio=120
"""


def test_the_lines_of_a_trace():
    """Names of tasks may contain anything; other lines are no events."""
    assert list(parse(TRACE.splitlines())) == [
        Charged("containerd", 12, 1000),
        Charged("a b pid=c", 77, 31),
        Forked(12, 90),
        Executed(5001.000412, "/usr/sbin/runc", 90),
    ]


@pytest.mark.parametrize(
    ("program", "arguments", "role"),
    [
        (
            "/usr/sbin/runc",
            ["runc", "--root", "/r", "--log-format", "json", "create", "--bundle", "/b", "id"],
            "runc create",
        ),
        ("/proc/self/exe", ["runc", "init"], "runc init"),
        ("/dev/fd/7", ["runc", "init"], "runc init"),
        ("/usr/sbin/runc", [], "runc ?"),
        ("/tmp/bin/runc-here", ["runc-here", "delete", "id"], "runc delete"),
        ("/usr/bin/containerd-shim-runc-v2", ["…-v2", "-namespace", "n", "-id", "i", "start"], "shim start"),
        ("/usr/bin/containerd-shim-runc-v2", ["…-v2", "-namespace", "n", "-bundle", "/b", "delete"], "shim delete"),
        ("/usr/bin/containerd-shim-runc-v2", ["…-v2", "-namespace", "n", "-id", "i"], "shim serving"),
        ("/usr/lib/cni/host-local", ["/usr/lib/cni/host-local"], "host-local"),
        ("/usr/sbin/iptables", ["iptables", "-t", "nat"], "iptables of containerd"),
        ("/usr/sbin/iptables", [], "iptables of containerd"),
        ("/usr/bin/modprobe", ["modprobe"], "modprobe"),
        ("/proc/self/fd/6", [], "containerd"),
    ],
)
def test_what_a_program_was_run_for(program, arguments, role):
    """The file says which program, the arguments what for; what is unknown is named so."""
    assert role_of(program, arguments, CONTAINERD).name == role


def test_what_runc_init_becomes_runs_in_a_container():
    """Its own programs are still runc's; the stages before the container's program have names of their own."""
    init = Role("runc", "runc init")
    assert role_of("/pause", ["/pause"], init).name == IN_CONTAINERS
    assert role_of("/proc/self/exe", ["runc", "init"], init) == init
    assert of_task(Role("shims", "shim serving"), "runc:[2:INIT]") == init
    assert of_task(Role("kernel", "kernel"), "kworker/0:1-events").name == "kworker"


def test_cpu_time_follows_forks_and_execs():
    """A thread belongs to its program, a fork too until it executes another; that, with its time, is booked apart."""
    living = {12: Program(CONTAINERD), 13: Program(Role("daemons", "cri-shim"), 13)}
    events: list[Event] = [
        Charged("containerd", 12, 5),
        Forked(12, 14),
        Charged("containerd", 14, 7),
        Forked(14, 20),
        Charged("containerd", 20, 3),
        Executed(1.0, "/usr/sbin/runc", 20),
        Charged("runc", 20, 11),
        Forked(20, 21),
        Charged("runc:[2:INIT]", 21, 13),
        Executed(2.0, "/pause", 21),
        Charged("pause", 21, 17),
        Charged("cri-shim", 13, 19),
        Forked(13, 15),
        Charged("cri-shim", 15, 23),
        Charged("bash", 99, 29),
        Executed(2.5, "/usr/sbin/runc", 99),
        Charged("runc", 99, 31),
    ]
    account = add_up(events, living, Arguments([(Exec(1_000_000_100, 20), ["runc", "start", "id"])]))
    assert {role.name: ns for role, ns in account.nanoseconds.items()} == {
        "containerd": 12,
        "containerd: forks of programs": 3,
        "runc start": 11,
        "runc init": 13,
        IN_CONTAINERS: 17,
        "cri-shim: main thread": 19,
        "cri-shim: other threads": 23,
        ELSEWHERE.name: 60,
    }
    assert account.executions == {Role("runc", "runc start"): 1, Role("containers", IN_CONTAINERS): 1, ELSEWHERE: 1}


def test_arguments_are_those_of_the_exec_and_not_of_a_later_one():
    """A process id is used again and again, and a process may execute several programs."""
    reports = [(Exec(3_000_000_000, 7), ["third"]), (Exec(1_000_000_000, 7), ["first"])]
    arguments = Arguments(reports)
    assert arguments.of(Executed(0.999999, "a", 7)) == ["first"]
    assert arguments.of(Executed(2.0, "b", 7)) == ()
    assert arguments.of(Executed(2.99, "c", 7)) == ["third"]
    assert arguments.of(Executed(2.99, "c", 8)) == ()


def test_the_report_of_an_exec():
    """Of all process events only an exec is one of interest."""
    heads = struct.pack("=IHHII", 76, 3, 0, 0, 0) + struct.pack("=IIIIHH", 1, 1, 0, 0, 40, 0)
    body = struct.pack("=IIQIIII", 2, 1, 123456789, 41, 40, 0, 0)
    assert read_event(heads + body) == Exec(123456789, 40)
    assert read_event(heads + struct.pack("=I", 1) + body[4:]) is None
    assert read_event(heads) is None


def test_the_table_and_the_document():
    """Milliseconds for a pod, medians over runs; the client is beside the sum and not in it."""
    cni, client = Role("CNI", "bridge"), Role("client", "client")
    runs = [
        Run(1.0, Account({cni: ms * 2_000_000, client: 8_000_000}, {cni: 4}), 0.02)  # type: ignore[arg-type]
        for ms in (1, 9, 2)
    ]
    series = [Series("plugin", "start", 2, [])]
    for run in runs:
        made = Account()
        made.nanoseconds.update(run.account.nanoseconds)
        made.executions.update(run.account.executions)
        series[0].runs.append(Run(run.seconds, made, run.machine))
    lines = table(series).splitlines()
    assert lines[2:6] == [
        "| **all** | **2.00 (2.0×)** |",
        "| **CNI** | **2.00 (2.0×)** |",
        "| CNI: bridge | 2.00 (2.0×) |",
        "| **client** | **4.00** |",
    ]
    assert lines[6] == "| not charged to any task | 4.00 |"
    (kept,) = document(series)
    assert kept["ms_a_pod"] == [1.0, 9.0, 2.0]
    assert kept["roles"][0] == {"group": "CNI", "role": "bridge", "ms_a_pod": 2.0, "executions_a_pod": 2.0}


def test_a_side_is_a_kind_and_maybe_a_checkout(tmp_path):
    """Of a checkout without an environment no daemon can be run."""
    assert Made.read("pinned") == Made("pinned", "pinned", None)
    program = tmp_path / ".venv" / "bin" / "cri-shim"
    for wrong in ("docker", f"bridge={tmp_path}"):
        with pytest.raises(ValueError, match=wrong):
            Made.read(wrong)
    program.parent.mkdir(parents=True)
    program.touch()
    assert Made.read(f"bridge={tmp_path}").checkout == Path(tmp_path)
    assert Made.read("pinned:runtime.starts_at_once=3").settings == {"runtime": {"starts_at_once": 3}}
