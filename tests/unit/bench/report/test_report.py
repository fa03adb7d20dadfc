"""The report: complete, readable alone, honest about noise and about where the bridge takes more."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from msgspec import structs

from cri_shim.bench.report import document, files, two_runs
from cri_shim.bench.report.blocks import Items, Paragraph, Picture, Table
from cri_shim.bench.report.html import to_html
from cri_shim.bench.report.markdown import to_markdown
from cri_shim.bench.report.old_bills import split_of
from cri_shim.bench.report.rows import rows_of
from cri_shim.bench.results.schema import Difference
from cri_shim.bench.verdicts.verdict import FASTER, REFUSED, SLOWER
from tests.unit.bench.made_up import BUSY, OLD_BILL, run, with_machine


def text_of(blocks) -> str:
    return to_markdown(blocks, "pictures")


def test_html_needs_nothing_else():
    """No script, and no address but the name of SVG's namespace."""
    page = to_html(document.document(run(0.8)))
    assert "<script" not in page
    assert set(re.findall(r"https?://[^\"'\s<)]+", page)) == {"http://www.w3.org/2000/svg"}
    assert "@import" not in page
    assert "prefers-color-scheme:dark" in page


def test_every_plot_is_well_formed_and_says_what_it_is():
    """Each is XML with a label, inside the page and as a file of its own."""
    blocks = document.document(run(0.8, 1.3))
    pictures = [block for block in blocks if isinstance(block, Picture)]
    names = {picture.name for picture in pictures}
    assert names >= {"ratios", "batch-times", "batch-runs", "batch-gone", "batch-split", "batch-cpu"}
    assert names >= {"steady-at-10-times", "steady-at-10-cpu", "steady-at-10-memory"}
    for content in [*(p.content for p in pictures), *files.markdown_files(run(0.8), None, "x.md", "x").values()]:
        if content.startswith("<svg"):
            assert ET.fromstring(content).get("aria-label")


def test_numbers_come_from_the_side_runs():
    """The median of all samples, and the ratio that was put into the run."""
    rows = {row.key: row for row in rows_of(run(0.8))}
    assert rows["RunPodSandbox"].sides["plugin"].count == 16
    assert rows["RunPodSandbox"].sides["plugin"].p50 == pytest.approx(10.5, rel=0.1)
    assert rows["last pod runs"].verdicts["bridge"].ratio.estimate == pytest.approx(0.8, rel=0.02)
    assert rows["last pod runs"].verdicts["bridge"].word == FASTER


def test_cpu_of_a_side_is_that_of_its_daemons_and_helpers():
    """Two daemons count for the bridge, and neither shims nor the client."""
    row = next(row for row in rows_of(run(1.0)) if row.key == "cpu daemons")
    assert row.sides["plugin"].p50 == pytest.approx(0.8, rel=0.05)
    assert row.unit == "s"


def test_memory_of_a_bridge_counts_the_containerd_behind_it():
    """What the bridge holds comes on top of its containerd; PSS is what is judged."""
    row = next(row for row in rows_of(run(1.0, 1.0)) if row.key == "pss daemons")
    assert row.sides["bridge"].p50 - row.sides["plugin"].p50 == pytest.approx(45, abs=5)


def test_memory_is_shown_in_three_measures():
    """Of each daemon, of the shims, and of all daemons of a side together."""
    table = next(
        block
        for block in document.document(run(1.0, 1.0))
        if isinstance(block, Table) and block.head[-3:] == ("RSS", "PSS", "USS")
    )
    cells = {row[:2]: row[2:] for row in table.rows}
    assert cells["bridge", "cri-shim"] == ("60.0", "45.0", "41.0")
    assert cells["bridge", "shims"] == ("", "90.0", "80.0")
    assert float(cells["bridge", "all daemons"][1]) == pytest.approx(85, abs=5)
    assert ("plugin", "all daemons") not in cells


def test_what_daemons_keep_running_counts_as_theirs():
    """A helper's memory has a line of its own and is in the number that sides are judged by."""
    whole = run(1.0, 1.0)
    steps = tuple(
        replace(
            step,
            rounds=tuple(
                structs.replace(
                    one,
                    side_runs=one.side_runs
                    | {
                        "bridge": replace(
                            one.side_runs["bridge"],
                            memory=one.side_runs["bridge"].memory | {"helpers": 11.0},
                            pss=one.side_runs["bridge"].pss | {"helpers": 6.0},
                            uss=one.side_runs["bridge"].uss | {"helpers": 5.0},
                        )
                    },
                )
                for one in step.rounds
            ),
        )
        for step in whole.steps
    )
    shown = replace(whole, steps=steps)
    table = next(
        block
        for block in document.document(shown)
        if isinstance(block, Table) and block.head[-3:] == ("RSS", "PSS", "USS")
    )
    cells = {row[:2]: row[2:] for row in table.rows}
    assert cells["bridge", "helpers"] == ("11.0", "6.00", "5.00")
    assert ("plugin", "helpers") not in cells
    without, with_helpers = (
        next(row for row in rows_of(each) if row.key == "pss daemons").sides["bridge"].p50 for each in (whole, shown)
    )
    assert with_helpers == pytest.approx(without + 6.0)
    assert float(cells["bridge", "daemons and helpers"][1]) == pytest.approx(with_helpers, abs=0.1)


def test_runs_without_pss_are_judged_by_rss():
    """Older ones, and those in which a daemon was another user's."""
    old = run(1.0, 1.0)
    steps = tuple(
        replace(
            step,
            rounds=tuple(
                structs.replace(
                    one, side_runs={name: replace(side_run, pss={}, uss={}) for name, side_run in one.side_runs.items()}
                )
                for one in step.rounds
            ),
        )
        for step in old.steps
    )
    keys = {row.key for row in rows_of(replace(old, steps=steps))}
    assert "memory daemons" in keys
    assert "pss daemons" not in keys
    assert "resident memory" in text_of(document.document(replace(old, steps=steps)))


def test_a_runtime_without_an_rpc_has_no_row_of_it():
    """Its column is empty, nothing is said about it but why, and CPU time of unequal work is not compared."""
    whole = run(0.8)
    step = whole.steps[0]
    rounds = tuple(
        structs.replace(
            one,
            side_runs=one.side_runs
            | {"bridge": replace(one.side_runs["bridge"], samples={"RunPodSandbox": [1.0], "last pod runs": []})},
        )
        for one in step.rounds
    )
    sides = (whole.sides[0], replace(whole.sides[1], left_out={"last pod runs": "not implemented"}))
    lacking = replace(whole, sides=sides, steps=(replace(step, scenario="calls", rounds=rounds),))
    rows = {row.key: row for row in rows_of(lacking)}
    assert list(rows["last pod runs"].sides) == ["plugin"]
    assert not rows["last pod runs"].verdicts
    assert not any(key.startswith("cpu") for key in rows)
    report = text_of(document.document(lacking))
    assert "Not measured on bridge: `last pod runs` (not implemented)." in report
    assert to_html(document.document(lacking))


@pytest.mark.parametrize("scenario", ["batch", "steady", "calls", "life"])
def test_a_side_that_takes_no_part_in_a_step_has_no_numbers_of_it(scenario):
    """The report says why, in all its forms, and the other steps have the side as ever."""
    whole = run(0.8, 0.9)
    step = whole.steps[0]
    alone = tuple(
        structs.replace(one, order=("plugin",), side_runs={"plugin": one.side_runs["plugin"]}) for one in step.rounds
    )
    lacking = replace(step, scenario=scenario, rounds=alone, left_out={"bridge": "port-forward gave nothing: no socat"})
    changed = replace(whole, steps=(lacking, whole.steps[1]))
    rows = rows_of(changed)
    assert not any("bridge" in row.sides or row.verdicts for row in rows if row.step == lacking.name)
    assert any("bridge" in row.verdicts for row in rows if row.step == whole.steps[1].name)
    said = "bridge takes no part in this: port-forward gave nothing: no socat"
    assert said in text_of(document.document(changed))
    assert said in files.short(changed)
    assert to_html(document.document(changed))
    assert two_runs.document(changed, changed)


def test_the_first_side_may_be_the_one_that_lacks_it():
    """Then there is nothing to compare the others with."""
    whole = run(0.8)
    rounds = tuple(
        structs.replace(
            one,
            side_runs=one.side_runs | {"plugin": replace(one.side_runs["plugin"], samples={"RunPodSandbox": [1.0]})},
        )
        for one in whole.steps[0].rounds
    )
    lacking = replace(whole, steps=(replace(whole.steps[0], scenario="calls", rounds=rounds),))
    row = next(row for row in rows_of(lacking) if row.key == "last pod runs")
    assert list(row.sides) == ["bridge"]
    assert not row.verdicts
    assert document.document(lacking)


def test_what_differs_in_the_work_is_a_table():
    """The first page warns, and each fact has a row with each side's value; its text stays text."""
    difference = Difference("mounts", "/proc", {"plugin": "proc rw", "bridge": "<b>proc</b> `ro` **x** | y"})
    whole = run(0.8)
    assert whole.parity is not None
    differs = replace(whole, parity=replace(whole.parity, differences=(difference,)))
    blocks = document.document(differs)
    warning = next(block for block in blocks if isinstance(block, Paragraph) and block.warns)
    assert "do not do all of the same work" in warning.text
    table = next(block for block in blocks if isinstance(block, Table) and block.head[:2] == ("kind", "what"))
    assert table.rows[0][:3] == ("mounts", "/proc", "proc rw")
    assert "<b>proc" not in to_html(blocks)
    assert "<strong>x" not in to_html(blocks)
    assert "\\| y" in text_of(blocks)
    assert "No fact differed." in text_of(document.document(whole))


def test_it_says_where_the_bridge_takes_more():
    """A step that is slower is named under its own heading, with its ratio."""
    report = text_of(document.document(run(0.8, 1.3)))
    section = report.split("## Where bridge takes more than plugin")[1].split("\n## ")[0]
    assert "until the last pod runs: 1.30" in section
    assert "0.80" not in section


def test_where_it_takes_more_nowhere_it_says_so_too():
    """The heading is there in any case."""
    assert "In nothing that could be judged." in text_of(document.document(run(0.5)))


def test_a_noisy_run_has_no_verdict_and_says_why():
    """However good the numbers look: the first page warns, and no row has a verdict."""
    noisy = run(0.5, probe=BUSY)
    assert {each.word for row in rows_of(noisy) for each in row.verdicts.values()} == {REFUSED}
    blocks = document.document(noisy)
    warning = next(block for block in blocks if isinstance(block, Paragraph) and block.warns)
    assert "something else had the cores" in warning.text
    assert blocks.index(warning) < 4
    assert f"**{FASTER}**" not in text_of(blocks)
    assert f"**{SLOWER}**" not in text_of(blocks)


def test_a_noisy_step_does_not_forbid_the_verdict_on_a_quiet_one():
    """Each step is judged by its own turns."""
    mixed = replace(run(0.5), steps=(run(0.5).steps[0], run(1.0, 0.5, probe=BUSY).steps[1]))
    words = {row.step: row.verdicts["bridge"].word for row in rows_of(mixed)}
    assert words == {"batch": FASTER, "steady@10": REFUSED}


def test_it_names_method_setting_same_work_and_limits():
    """A stranger finds the command, the versions, what was checked, and what is not shown."""
    report = text_of(document.document(run(0.8)))
    for wanted in ("make compare", "containerd 1.6.20", "Linux 6", "mounts (20)", "a note", "bootstrap", "A B, B A"):
        assert wanted in report
    assert "## What this does not show" in report


def test_html_and_markdown_show_the_same_numbers():
    """Every cell of every table is in both."""
    blocks = document.document(run(0.8, 1.3))
    html, markdown = to_html(blocks), text_of(blocks)
    for table in (block for block in blocks if isinstance(block, Table)):
        for cells in table.rows:
            for cell in cells:
                assert cell.strip("*") in html
                assert cell in markdown


def test_text_that_resembles_html_stays_text():
    """A note with a tag in it does not become one."""
    page = to_html(document.document(replace(run(0.8), notes=("<script>alert(1)</script>",))))
    assert "<script>" not in page


def test_an_old_split_adds_up_to_what_the_client_saw():
    """Hops are divided like their sum, what is neither hop nor helper is own time, and nothing is lost."""
    parts = split_of([OLD_BILL, OLD_BILL], 9.0)
    assert sum(parts.values()) == pytest.approx(9.0)
    assert parts["containerd at work"] == pytest.approx(6.0 * 9 / 12)
    assert parts["helpers alone"] == pytest.approx(8 - 1 - 6)


def test_an_old_estimated_split_is_called_one():
    """Transport that comes from a null call is marked; transport from containerd's spans is not."""

    def caption(estimated: float) -> str:
        plain = run(0.8)
        bill = {"RunPodSandbox": {**OLD_BILL, "estimated": estimated}}
        rounds = tuple(
            structs.replace(
                one,
                side_runs={
                    name: replace(side_run, bills={}, mean_bills=bill) for name, side_run in one.side_runs.items()
                },
            )
            for one in plain.steps[0].rounds
        )
        blocks = document.document(replace(plain, steps=(replace(plain.steps[0], rounds=rounds),)))
        return next(block.caption for block in blocks if isinstance(block, Picture) and block.name == "batch-split")

    assert "estimate" in caption(1.0)
    assert "estimate" not in caption(0.0)


def test_a_run_without_bills_has_no_split():
    """Where no side tells what its time was made of, there is no such plot."""
    plain = run(0.8)
    step = plain.steps[0]
    rounds = tuple(
        structs.replace(one, side_runs={name: replace(side_run, bills={}) for name, side_run in one.side_runs.items()})
        for one in step.rounds
    )
    blocks = document.document(replace(plain, steps=(replace(step, rounds=rounds),)))
    assert not any(isinstance(block, Picture) and block.name.endswith("split") for block in blocks)


def test_one_side_alone_is_described():
    """A run of one endpoint has distributions and no ratio."""
    plain = run(0.8)
    step = plain.steps[0]
    rounds = tuple(
        structs.replace(one, order=("plugin",), side_runs={"plugin": one.side_runs["plugin"]}) for one in step.rounds
    )
    alone = replace(plain, sides=plain.sides[:1], steps=(replace(step, rounds=rounds),))
    assert "nothing to compare" in text_of(document.document(alone))


def test_two_runs_show_what_has_changed():
    """A ratio that went from 1.3 to 0.8 is less; nothing is said of one that stayed."""
    table = next(block for block in two_runs.document(run(1.3), run(0.8)) if isinstance(block, Table))
    assert {row[-1] for row in table.rows if row[0] == "until the last pod runs"} == {"**less**"}
    same = next(block for block in two_runs.document(run(0.8), run(0.8)) if isinstance(block, Table))
    assert {row[-1] for row in same.rows} == {"none seen"}


def test_two_runs_say_in_what_they_differ():
    """Another kernel is named, because then it may be the reason."""
    blocks = two_runs.document(run(0.8), with_machine(run(0.8), kernel="Linux 7"))
    assert ("kernel: Linux 6, then Linux 7",) in [block.items for block in blocks if isinstance(block, Items)]


def test_two_runs_say_that_another_version_of_the_api_was_spoken():
    """A runtime may have learned v1 in between."""
    old = run(0.8)
    before = replace(old, sides=(replace(old.sides[0], api="v1alpha2"), old.sides[1]))
    items = [block.items for block in two_runs.document(before, old) if isinstance(block, Items)]
    assert ("CRI version of plugin: `v1alpha2`, then `v1`",) in items


def test_a_noisy_run_beside_another_is_not_judged():
    """No change is claimed when one of them has no verdict."""
    table = next(block for block in two_runs.document(run(1.3), run(0.8, probe=BUSY)) if isinstance(block, Table))
    assert {row[-1] for row in table.rows} == {"not judged"}


def test_files_are_written_where_asked(tmp_path):
    """HTML alone in its file, Markdown with its pictures in a folder of its name."""
    written = files.write(run(0.8), None, tmp_path / "a.html", tmp_path / "b.md")
    assert tmp_path / "a.html" in written
    page = (tmp_path / "b.md").read_text()
    for picture in re.findall(r"\]\((.*?)\)", page):
        assert (tmp_path / picture).exists(), picture


def test_the_summary_on_the_terminal_has_the_main_rows():
    """One line for each number that the first page tells."""
    lines = files.short(run(0.8, 1.3)).splitlines()
    assert len(lines) == sum(row.main for row in rows_of(run(0.8, 1.3)))
    assert any("until the last pod runs" in each and FASTER in each for each in lines)


def test_markdown_has_no_html_of_a_runtime():
    """A name that looks like a tag is text; code stays as it is."""
    text = to_markdown([Paragraph("<script>x</script> < 1 `<b>`"), Table(("<i>",), (("</i>",),))], "")
    assert text == "&lt;script>x&lt;/script> < 1 `<b>`\n\n| &lt;i> |\n| --- |\n| &lt;/i> |\n"
