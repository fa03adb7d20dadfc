"""The command as a whole: arguments, exit codes, and that nothing on the node is changed."""

from __future__ import annotations

import json
import os
import threading

import pytest

from cri_shim.cli import main
from cri_shim.config import load
from cri_shim.daemon import daemon
from cri_shim.doctor import within_time
from cri_shim.doctor.at_start import reason_not_to_start
from cri_shim.doctor.checks import cni
from cri_shim.doctor.codes import CODES
from cri_shim.doctor.facts.code import Finding
from cri_shim.doctor.facts.place import Place
from tests.fakes.containerd.server import FakeContainerd
from tests.unit.doctor.node_tree import config_of


@pytest.fixture
def config_file(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text(
        f'root = "{tmp_path}/root"\nstate = "{tmp_path}/state"\nsocket_path = "{tmp_path}/s.sock"\n'
        f'[containerd]\naddress = "{tmp_path}/c.sock"\n[cni]\nconf_dir = "{tmp_path}/net.d"\n[http]\naddress = ""\n'
    )
    return file


def document(capsys):
    return json.loads(capsys.readouterr().out)


def test_a_node_without_containerd_has_errors(config_file, capsys):
    before = sorted(config_file.parent.iterdir())
    assert main(["doctor", "--config", str(config_file), "-o", "json"]) == 1
    codes = {finding["code"] for finding in document(capsys)["findings"]}
    assert {"containerd-socket-missing", "cni-no-network", "daemon-not-running"} <= codes
    assert sorted(config_file.parent.iterdir()) == before


def test_a_stall_is_reported(config_file, monkeypatch):
    """Each code has an outcome, and only the check that stalled is unknown for it."""
    released = threading.Event()
    monkeypatch.setattr(within_time, "PATIENCE", 0.5)
    monkeypatch.setattr(cni, "configuration_files", lambda _directory: released.wait(60) and [])
    others = set(threading.enumerate())
    try:
        examination, stalled = within_time.examine_within_time(load(config_file), Place.here(), network=False)
        hanging = [thread for thread in threading.enumerate() if thread not in others and thread.name == "doctor"]
    finally:
        released.set()
    assert [thread.daemon for thread in hanging] == [True]  # or it would keep an interrupted process from its end
    assert stalled
    assert {outcome.code for outcome in examination.outcomes} == {code.name for code in CODES}
    stuck = next(outcome for outcome in examination.outcomes if outcome.code == "cni-no-network")
    assert isinstance(stuck, Finding)
    assert (stuck.severity, "did not end within 0.5 s" in stuck.what) == ("unknown", True)


def test_an_empty_code_is_wrong_usage(config_file):
    assert main(["doctor", "--config", str(config_file), "--ignore", ""]) == 2


@pytest.mark.parametrize("name", ["root", "state"])
def test_a_directory_that_is_a_link_to_itself(config_file, capsys, name):
    (config_file.parent / name).symlink_to(name)
    text = config_file.read_text()
    config_file.write_text(f"{text}[runtime]\nnetns_mounts_under_state_dir = true\n")
    assert main(["doctor", "--config", str(config_file), "-o", "json"]) == 1
    assert "directory-unusable" in {finding["code"] for finding in document(capsys)["findings"]}


def test_every_code_has_one_outcome(config_file, capsys):
    main(["doctor", "--config", str(config_file), "-o", "json"])
    first = document(capsys)
    outcomes = [*first["findings"], *first["fine"], *first["not_made"]]
    assert {outcome["code"] for outcome in outcomes} == {code.name for code in CODES}
    assert sum(first["counts"].values()) == len(CODES)


def test_ignored_errors_are_no_failure(config_file, capsys):
    main(["doctor", "--config", str(config_file), "-o", "json"])
    errors = {each["code"] for each in document(capsys)["findings"] if each["severity"] == "error"}
    ignored = [argument for code in errors for argument in ("--ignore", code)]
    assert main(["doctor", "--config", str(config_file), "-o", "json", *ignored]) == 0
    assert document(capsys)["ignored"] == sorted(errors)


def test_an_unknown_code_is_wrong_usage(config_file, capsys):
    assert main(["doctor", "--config", str(config_file), "--ignore", "cni-program-mising"]) == 2
    assert "did you mean cni-program-missing?" in capsys.readouterr().err


def test_wrong_arguments_are_wrong_usage(capsys):
    with pytest.raises(SystemExit) as raised:
        main(["doctor", "--nonsense"])
    assert raised.value.code == 2
    capsys.readouterr()


def test_a_configuration_with_mistakes_is_all_that_is_judged(config_file, capsys):
    config_file.write_text("nonsense = 1\n")
    assert main(["doctor", "--config", str(config_file), "-o", "json"]) == 1
    report = document(capsys)
    assert [finding["code"] for finding in report["findings"]] == ["config-invalid"]
    assert report["counts"]["not_made"] == len(CODES) - 1
    assert report["fine"] == []


def test_flags_of_serve_are_taken(config_file, tmp_path, capsys):
    main(["doctor", "--config", str(config_file), "--containerd-address", str(tmp_path / "other.sock"), "-o", "json"])
    assert any(f"{tmp_path}/other.sock" in finding["what"] for finding in document(capsys)["findings"])


def test_text_ends_with_the_counts(config_file, capsys):
    main(["doctor", "--config", str(config_file)])
    text = capsys.readouterr().out
    assert f"{len(CODES)} checks: " in text
    assert "fine: " not in text


async def test_containerd_that_answers_is_fine(tmp_path, config_file):
    """The fake has no process of its own, so what is judged here is what it answers."""
    from cri_shim.doctor.examination import Examination
    from cri_shim.doctor.examine import examine
    from cri_shim.doctor.report import Report

    async with FakeContainerd(tmp_path / "c.sock"):
        examination = Examination()
        await examine(load(config_file), Place.here(), examination, network=False)
    report = Report.of(examination.outcomes)
    codes = {finding.code: finding.severity for finding in report.findings}
    assert codes["sandbox-image-missing"] == "unknown"
    assert not {code for code in codes if code.startswith("containerd-") or code == "not-containerd"}


def test_the_daemon_starts_only_as_root(tmp_path):
    config = config_of(f'root = "{tmp_path}/root"\nstate = "{tmp_path}/state"\n')
    assert reason_not_to_start(config, Place(uid=0)) == ""
    assert "must run as root" in reason_not_to_start(config, Place(uid=1000))


def test_the_daemon_does_not_start_without_its_directories(tmp_path, capsys):
    (tmp_path / "root").write_text("")
    config = config_of(f'root = "{tmp_path}/root"\nstate = "{tmp_path}/state"\nsocket_path = "{tmp_path}/s.sock"\n')
    assert f"root = {tmp_path}/root cannot be used: {tmp_path}/root is not a directory" in reason_not_to_start(
        config, Place(uid=0)
    )
    assert daemon.serve(config, lambda: config) == 1
    said = capsys.readouterr()
    assert "daemon.failed" in said.out + said.err
    assert ("is not a directory" in said.out + said.err) == (os.geteuid() == 0)
