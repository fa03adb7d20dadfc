"""The report on the guest's suites: it counts what pytest says, and takes silence for failure."""

from __future__ import annotations

from tests.guest.inside import asked_for
from tests.guest.report import outcome, summary
from tests.guest.suites import SUITES, Suite

SUITE = Suite("some", "something", ("tests",))
XML = """<testsuites><testsuite name="pytest">
<testcase classname="a" name="one" time="1.5"/>
<testcase classname="a" name="two" time="0.5"><skipped message="not here"/></testcase>
<testcase classname="a" name="three" time="1"><failure message="assert 1 == 2">the whole
story</failure></testcase>
<testcase classname="a" name="four" time="1"><error message="no fixture"/></testcase>
</testsuite></testsuites>"""


def left(directory, xml, code):
    """What a suite leaves behind."""
    (directory / "some.xml").write_text(xml)
    (directory / "some.code").write_text(code)
    return outcome(SUITE, directory)


def test_what_pytest_counted_is_counted(tmp_path):
    """Passed, failed with an error or a failure, skipped, time; each failure with its reason."""
    outcome = left(tmp_path, XML, "1")
    assert (outcome.passed, outcome.failed, outcome.skipped, outcome.seconds) == (1, 2, 1, 4.0)
    assert outcome.problems == ["a::three\n    the whole\n    story", "a::four\n    no fixture"]


def test_the_sum_ends_in_one_line(tmp_path):
    """The last line has the sum, and one failure spoils all."""
    well, badly = left(tmp_path, XML.replace("failure", "skipped").replace("error", "skipped"), "0"), Suite("b", "", ())
    assert summary([well], 9.6)[0].splitlines()[-1] == "guest: 1 passed, 0 failed, 3 skipped in 10s"
    assert summary([well], 9.6)[1]
    text, fine = summary([well, outcome(badly, tmp_path)], 9.6)
    assert "b: b did not come to its end" in text
    assert not fine


def test_silence_is_no_success(tmp_path):
    """A suite without results, one that pytest gave up, one in which nothing passed, and no suite at all fail."""
    assert outcome(SUITE, tmp_path).failed == 1
    assert left(tmp_path, XML.replace("failure", "skipped").replace("error", "skipped"), "3").failed == 1
    assert left(tmp_path, "<testsuites/>", "5").failed == 1
    assert not summary([], 1)[1]


def test_a_measurement_counts_as_one_test(tmp_path):
    """It leaves only its exit code behind, and what it measured is on the console."""
    suite = Suite("tricks", "savings", (), module="lab.versions_bench")
    assert outcome(suite, tmp_path).problems == ["tricks did not come to its end"]
    (tmp_path / "tricks.code").write_text("1")
    assert (outcome(suite, tmp_path).passed, outcome(suite, tmp_path).failed) == (0, 1)
    (tmp_path / "tricks.code").write_text("0")
    assert (outcome(suite, tmp_path).passed, outcome(suite, tmp_path).failed) == (1, 0)


def test_what_is_asked_for_on_the_command_line_of_the_kernel():
    """Names of suites and arguments for pytest come through, whatever is in them."""
    more = ["-k", "limits and not swap", "-x"]
    line = f"root=/dev/vda quiet guest.suites=systemd,units guest.pytest={chr(0).join(more).encode().hex()}"
    assert asked_for(line) == (["systemd", "units"], more)
    assert asked_for("root=/dev/vda quiet guest.suites= guest.pytest=") == ([], [])


def test_suites_have_names_of_their_own():
    """Results are kept by the name of a suite."""
    assert len({suite.name for suite in SUITES}) == len(SUITES)
