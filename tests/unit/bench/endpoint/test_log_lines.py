"""Log files of several formats, as facts."""

from __future__ import annotations

import json

import pytest

from cri_shim.bench.endpoint.log_lines import log_facts

TIME = "2026-01-02T03:04:05.678901234Z"


def cri(*records: tuple[str, str, str]) -> bytes:
    return "".join(f"{TIME} {stream} {tag} {text}\n" for stream, tag, text in records).encode()


def docker(*records: tuple[str, str]) -> bytes:
    return "".join(json.dumps({"log": log, "stream": stream, "time": TIME}) + "\n" for stream, log in records).encode()


WHOLE = cri(("stdout", "F", "first"), ("stderr", "F", "second"), ("stdout", "F", "x" * 20))
CUT = cri(("stdout", "F", "first"), ("stderr", "F", "second"), ("stdout", "P", "x" * 12), ("stdout", "F", "x" * 8))
JSON = docker(("stdout", "first\n"), ("stderr", "second\n"), ("stdout", "x" * 12), ("stdout", "x" * 8 + "\n"))


def test_what_was_printed_is_the_same_however_lines_were_cut():
    """Only the length of the pieces differs."""
    whole, cut = log_facts(WHOLE), log_facts(CUT)
    assert {name for name in whole if whole[name] != cut[name]} == {"pieces of long lines"}
    assert cut["pieces of long lines"] == "at most 12 bytes"


def test_dockers_files_say_what_was_printed_too():
    """The format is a fact of its own, and all others are those of the CRI's."""
    facts = log_facts(JSON)
    assert facts.pop("format") == "Docker's JSON, not the CRI's"
    assert facts == {name: value for name, value in log_facts(CUT).items() if name != "format"}


def test_another_word_or_byte_is_another_fact():
    """A stream that lost a line does not look like one that did not."""
    assert log_facts(WHOLE)["stdout"] != log_facts(WHOLE.replace(b"first", b"fisrt"))["stdout"]


@pytest.mark.parametrize(
    "content",
    [
        b"plain text\n",
        b"\n",
        b"a b c d\n",
        b"\xff\xfe\x00\n",
        b"[]\n",
        b'{"log": 1, "stream": "stdout", "time": "x"}\n',
        b'{"log": "x", "stream": [], "time": "x"}\n',
        b"[" * 100_000 + b"\n",
        WHOLE + b"and then\n",
        b'{"log": "\\ud800\\n", "stream": "stdout", "time": 7}\n',
    ],
)
def test_other_content_is_a_fact_and_no_error(content):
    """It is shown, shortened and escaped."""
    facts = log_facts(content)
    assert set(facts) == {"format"}
    assert facts["format"].startswith("not the CRI's log format: ")
    assert len(facts["format"]) < 120


def test_no_lines_is_a_fact():
    """An empty file, or one whose first line has not ended."""
    assert log_facts(b"") == log_facts(b"half") == {"format": "no lines"}


def test_times_are_looked_at():
    """A time that is none is seen."""
    assert log_facts(WHOLE.replace(TIME.encode(), b"today"))["times"] == "not all well formed"
