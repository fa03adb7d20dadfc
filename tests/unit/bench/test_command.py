"""The command line of `cri-shim compare`."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from cri_shim import cli
from cri_shim.bench.results import result_file
from tests.unit.bench.made_up import run


def compare(*arguments: str) -> int:
    return cli.main(["compare", *arguments])


def test_an_endpoint_and_an_image_are_needed(capsys):
    """Usage is told, with exit code 2."""
    with pytest.raises(SystemExit) as left:
        compare("--endpoint", "a=unix:///x.sock")
    assert left.value.code == 2
    assert "--image" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["--endpoint", "unix:///x.sock"], "not NAME=unix:///PATH"),
        (["--endpoint", "a=tcp://x"], "not NAME=unix:///PATH"),
        (["--endpoint", "../a=unix:///x.sock"], "not NAME=unix:///PATH"),
        (["--endpoint", "a=unix:///x", "--endpoint", "a=unix:///y"], "named twice"),
        (["--endpoint", "a=unix:///x", "--behind", "b=unix:///y"], "there is no --endpoint of that name"),
        (["--endpoint", "a=unix:///x", "--scenario", "lief"], "unknown scenario lief"),
        (["--endpoint", "floor=unix:///x"], "--endpoint floor=…: the script of the scenario has this name"),
    ],
)
def test_wrong_arguments_are_named(capsys, arguments, wrong):
    """One line that says what was wrong, and exit code 1."""
    assert compare(*arguments, "--image", "i") == 1
    assert wrong in capsys.readouterr().err


@pytest.mark.parametrize("rhythm", ["often", "40", "-1s", "1ns", "1h", ""])
def test_what_is_not_a_rhythm_is_refused(capsys, rhythm):
    """With what was wrong and what to write, as part of the usage."""
    with pytest.raises(SystemExit) as left:
        compare("--endpoint", "a=unix:///x", "--image", "i", f"--rhythm=1s,{rhythm}")
    assert left.value.code == 2
    assert f"{rhythm!r} is not a rhythm" in capsys.readouterr().err


def test_a_client_that_is_not_there_is_an_error(capsys):
    """Named, in one sentence."""
    assert compare("--endpoint", "a=unix:///x.sock", "--image", "i", "--client", "/no/such/client") == 1
    assert "the client '/no/such/client' cannot be run" in capsys.readouterr().err


def test_an_endpoint_that_is_not_there_is_an_error(capsys, tmp_path):
    """No traceback: the code of gRPC and what it says."""
    assert compare("--endpoint", f"a=unix://{tmp_path}/none.sock", "--image", "i") == 1
    assert "UNAVAILABLE" in capsys.readouterr().err


def test_report_writes_beside_the_file(tmp_path, capsys):
    """Without further words: HTML and Markdown of the same name."""
    result_file.save(tmp_path / "run.json", run(0.8))
    assert compare("report", str(tmp_path / "run.json")) == 0
    assert (tmp_path / "run.html").exists()
    assert (tmp_path / "run.md").exists()


@pytest.mark.parametrize(
    ("option", "name"), [("--html", "report.html"), ("--markdown", "report.md"), ("--markdown", "report")]
)
def test_report_makes_the_directory(tmp_path, option, name):
    """A result file does, too."""
    result_file.save(tmp_path / "run.json", run(0.8))
    assert compare("report", str(tmp_path / "run.json"), option, str(tmp_path / "a/b" / name)) == 0
    assert (tmp_path / "a/b" / name).exists()


def test_report_of_two_runs(tmp_path):
    """Both names are in the name of the report."""
    result_file.save(tmp_path / "a.json", run(1.3))
    result_file.save(tmp_path / "b.json", run(0.8))
    assert (
        compare("report", str(tmp_path / "a.json"), str(tmp_path / "b.json"), "--html", str(tmp_path / "x.html")) == 0
    )
    assert "Two runs" in (tmp_path / "x.html").read_text()


def test_report_of_no_result_is_an_error(tmp_path, capsys):
    """The file is named."""
    assert compare("report", str(tmp_path / "none.json")) == 1
    assert "none.json" in capsys.readouterr().err


def test_a_result_that_cannot_be_written_is_named_at_once(capsys, tmp_path):
    """Before anything is measured: a file stands where a directory would have to be."""
    (tmp_path / "file").touch()
    arguments = ("--endpoint", f"a=unix://{tmp_path}/none.sock", "--image", "i", "--output", f"{tmp_path}/file/o.json")
    assert compare(*arguments) == 1
    assert f"{tmp_path}/file/o.json: cannot be written: " in capsys.readouterr().err


def test_times_of_nothing_have_a_report(tmp_path):
    """A client with a coarse clock sees calls that took no time at all."""
    made = run(0.8)
    for one in made.steps[0].rounds:
        for side_run in one.side_runs.values():
            side_run.samples.update({key: [0.0] for key in side_run.samples})
    result_file.save(tmp_path / "run.json", made)
    assert compare("report", str(tmp_path / "run.json")) == 0


@pytest.mark.parametrize("before", ["", "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "])
def test_sigterm_is_an_interruption(tmp_path, before):
    """What was made is removed before the end, as after SIGINT; here by a comparison whose endpoint says nothing."""
    program = f"{before}import sys; from cri_shim.cli import main; sys.exit(main(sys.argv[1:]))"
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.bind(f"{tmp_path}/silent.sock")
        endpoint.listen()
        endpoint.settimeout(60)
        options = ("--endpoint", f"a=unix://{tmp_path}/silent.sock", "--image", "i", "--output", f"{tmp_path}/o.json")
        command = [sys.executable, "-c", program, "compare", *options]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
            connection, _ = endpoint.accept()
            running.terminate()
            _, said = running.communicate(timeout=60)
            connection.close()
    assert running.returncode == 130
    assert said.endswith(f"interrupted; run the same command again to resume {tmp_path}/o.json\n")
    assert [each.name for each in tmp_path.iterdir()] == ["silent.sock"]
