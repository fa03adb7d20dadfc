"""The file of a run: whole after each round, and gone on with only where the rounds belong together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cri_shim.bench.results.result_file import ResultError, load, resume_objection, save, step_of, with_round
from cri_shim.bench.results.schema import Step
from tests.unit.bench.made_up import SIDES, rounds, run, with_machine

NOW = 1100.0


def test_a_run_comes_back_as_it_was(tmp_path):
    """What is written is read back equal."""
    original = run(0.8, 1.2)
    save(tmp_path / "deep" / "run.json", original)
    assert load(tmp_path / "deep" / "run.json") == original


def test_a_crash_while_writing_leaves_the_old_run(tmp_path, monkeypatch):
    """The file is replaced as a whole or not at all."""
    file = tmp_path / "run.json"
    save(file, run(0.8))
    before = file.read_bytes()

    def crash(_self, _target):
        raise OSError("no more disk")

    monkeypatch.setattr("pathlib.Path.replace", crash)
    with pytest.raises(ResultError, match="cannot be written: no more disk"):
        save(file, run(0.9))
    assert [each.name for each in tmp_path.iterdir()] == ["run.json"]
    assert file.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"schema": 1}', b"not json"])
def test_what_is_no_result_is_named(tmp_path, content):
    """The error names the file."""
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(ResultError, match=r"x\.json"):
        load(tmp_path / "x.json")


def test_another_schema_is_not_read(tmp_path):
    """A file of another version of the form is refused, not misread."""
    save(tmp_path / "x.json", replace(run(0.8), schema=99))
    with pytest.raises(ResultError, match="schema 99"):
        load(tmp_path / "x.json")


def test_the_same_run_goes_on():
    """Same machine, boot, sides and versions, soon after: nothing is in the way."""
    assert resume_objection(run(0.8), run(), NOW) == ""


@pytest.mark.parametrize("change", [{"boot_id": "boot-2"}, {"kernel": "Linux 7"}, {"event_loop": "uvloop"}])
def test_another_machine_does_not_go_on(change):
    """A reboot, a new kernel, another event loop: each makes another run of it."""
    assert next(iter(change)) in resume_objection(run(0.8), with_machine(run(), **change), NOW)


def test_other_sides_do_not_go_on():
    """Another name, version or configuration of a side."""
    old = run(0.8)
    plugin, bridge = SIDES
    for other in (
        (plugin,),
        (plugin, replace(bridge, runtime="cri-shim 0.2.0")),
        (replace(plugin, processes=()), bridge),
        (plugin, replace(bridge, configuration='{"sandbox": "pinned"}')),
    ):
        assert resume_objection(old, replace(run(), sides=other), NOW)


def test_a_new_process_id_is_no_new_side():
    """A daemon that was started again in the same version goes on."""
    plugin, bridge = SIDES
    again = replace(plugin, processes=tuple(replace(each, pid=999) for each in plugin.processes))
    assert resume_objection(run(0.8), replace(run(), sides=(again, bridge)), NOW) == ""


def test_different_days_are_not_averaged():
    """Rounds of the next day do not join."""
    assert "different days" in resume_objection(run(0.8), run(), NOW + 24 * 3600)


def test_a_round_joins_its_step():
    """The first round makes the step, later ones follow it, other steps stay."""
    first, second = rounds(2, 0.9)
    step = Step("life", 0, {})
    grown = with_round(with_round(run(0.8), step, first), step, second)
    assert [each.name for each in grown.steps] == ["batch", "life"]
    assert grown.steps[1].rounds == (first, second)


def test_rounds_of_other_options_do_not_mix():
    """A step that was measured with other options is not gone on with."""
    with pytest.raises(ResultError, match="another file"):
        step_of(run(0.8), Step("batch", 0, {"at_once": 105}))
