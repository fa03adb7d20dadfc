"""What the daemon may do is judged from /proc/PID/status: of the daemon if it runs, else of this process."""

from __future__ import annotations

import pytest

from cri_shim.doctor.checks.rights import judge_rights, read_rights
from cri_shim.doctor.facts.place import Place
from tests.unit.doctor.node_tree import ALL_CAPABILITIES, findings, plant, reported

WHOLE = "         0          0 4294967295\n"


def process(tmp_path, pid="self", *, uid=0, mask=ALL_CAPABILITIES, uid_map=WHOLE):
    status = f"Name:\tx\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nCapEff:\t{mask:016x}\n"
    return plant(tmp_path, {f"proc/{pid}/status": status, f"proc/{pid}/uid_map": uid_map})


def judged(place, daemon=0):
    return list(judge_rights(read_rights(place, daemon), place, daemon_runs=bool(daemon)))


def test_root_with_all_capabilities_is_fine(tmp_path):
    assert reported(judged(process(tmp_path))) == {}


@pytest.mark.parametrize(
    ("capability", "code"),
    [
        (21, {"capabilities-missing": "error"}),
        (12, {"capabilities-missing": "error"}),
        (24, {"oom-score-clamped": "warning"}),
    ],
)
def test_a_missing_capability_is_reported(tmp_path, capability, code):
    assert reported(judged(process(tmp_path, mask=ALL_CAPABILITIES & ~(1 << capability)))) == code


def test_a_user_namespace_is_reported(tmp_path):
    assert reported(judged(process(tmp_path, uid_map="0 100000 65536\n"))) == {"in-user-namespace": "warning"}


def test_the_running_daemon_is_judged_and_not_this_shell(tmp_path):
    process(tmp_path, mask=0)
    assert reported(judged(process(tmp_path, "77"), 77)) == {}
    place = process(tmp_path, "78", uid=1000)
    assert "process 78" in findings(judged(place, 78))[0].what
    assert reported(judged(place, 78)) == {"not-root": "error"}


def test_another_user_sees_that_much_is_unknown(tmp_path):
    process(tmp_path, uid=1000, mask=0)
    outcomes = judged(Place(root=tmp_path, uid=1000))
    assert reported(outcomes) == {"not-root": "unknown"}
    assert "oom-score-clamped" in {outcome.code for outcome in outcomes}
    assert findings(outcomes)[0].remedy == ("$ sudo cri-shim doctor",)
