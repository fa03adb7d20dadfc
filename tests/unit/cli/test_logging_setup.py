"""How log lines look."""

from __future__ import annotations

import io
import json
import logging
import os

import pytest
import structlog

from cri_shim.daemon import logging_setup


def test_a_logfmt_line_is_one_line_with_the_known_keys_first():
    """Values that would break the line are quoted."""
    out = io.StringIO()
    logging_setup.configure("info", "logfmt", stream=out)
    with structlog.contextvars.bound_contextvars(rpc="RunPodSandbox"):
        structlog.get_logger().info("sandbox.created", id="a", note='x "y"\nz', ok=True, none=None, **{"b c": 1})
    (line,) = out.getvalue().splitlines()
    assert line.startswith("time=2")
    assert line.split(" ", 1)[1].startswith("level=info event=sandbox.created ")
    for part in ("rpc=RunPodSandbox", "id=a", r'note="x \"y\"\nz"', "ok=true", "b_c=1"):
        assert part in line


def test_a_json_line_is_an_object():
    """Machines read the same fields."""
    out = io.StringIO()
    logging_setup.configure("info", "json", stream=out)
    structlog.get_logger().warning("x", n=1, odd=object)
    line = json.loads(out.getvalue())
    assert list(line)[:3] == ["time", "level", "event"]
    assert (line["level"], line["event"], line["n"]) == ("warning", "x", 1)


@pytest.mark.parametrize("log_format", ["logfmt", "json", "console"])
def test_a_traceback_shows_no_local_variables(log_format):
    """Credentials in local variables do not reach the log."""
    out = io.StringIO()
    logging_setup.configure("info", log_format, stream=out)

    def login():
        password = "HUNTER2".lower()
        raise RuntimeError(len(password))

    try:
        login()
    except RuntimeError:
        structlog.get_logger().exception("login.failed")
    assert "RuntimeError" in out.getvalue()
    assert "hunter2" not in out.getvalue()


def test_the_level_holds_for_ours_and_libraries_are_heard_from_warning():
    """What is below the level costs nothing and says nothing."""
    out = io.StringIO()
    logging_setup.configure("info", "logfmt", stream=out)
    structlog.get_logger().debug("hidden")
    logging.getLogger("aiohttp").info("hidden too")
    logging.getLogger("asyncio").warning("slow %s", "callback")
    (line,) = out.getvalue().splitlines()
    assert 'level=warning event="slow callback" logger=asyncio' in line


def test_the_journal_gets_a_priority_and_no_time(tmp_path, monkeypatch):
    """Under systemd each line starts with its syslog priority, and the journal's clock counts."""
    with (tmp_path / "journal").open("w+") as out:
        stat = os.fstat(out.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{stat.st_dev}:{stat.st_ino}")
        logging_setup.configure("debug", "logfmt", stream=out)
        structlog.get_logger().error("a")
        structlog.get_logger().debug("b")
        out.seek(0)
        assert out.read().splitlines() == ["<3>level=error event=a", "<7>level=debug event=b"]


def test_another_stream_than_the_journals_is_no_journal(tmp_path, monkeypatch):
    """The variable is inherited; only the stream that it names counts."""
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    with (tmp_path / "file").open("w+") as out:
        assert not logging_setup.is_journal(out, os.environ)
    assert not logging_setup.is_journal(io.StringIO(), os.environ)


def test_a_line_that_cannot_be_written_costs_nothing_else():
    """A full disk or a closed pipe behind standard error does not fail a request."""
    with open("/dev/full", "w") as full:
        logging_setup.configure("info", "logfmt", stream=full)
        structlog.get_logger().info("x" * 100_000)
        logging.getLogger("y").error("z")
        # Drop what the stream still holds, or closing it would raise here.
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())


@pytest.mark.parametrize("log_format", ["logfmt", "json", "console"])
def test_text_from_outside_stays_text(log_format: str) -> None:
    """It neither rewrites a terminal nor loses its line, and a line has an end."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    logging_setup.configure("info", log_format, stream=stream)
    structlog.get_logger("x").info("area.event", error="a\ud800b", long="x" * 1_000_000, title="\x1b]0;gone\x07")
    stream.seek(0)
    line = stream.read()
    assert "a\ufffdb" in line or r"a\ufffdb" in line
    assert "more characters" in line
    assert len(line) < 100_000
    assert "\x1b" not in line
