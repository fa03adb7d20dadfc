"""The lines, without any program: what is written is read again, and nothing else is taken for a line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.bench.clients.line_protocol import (
    Answered,
    Call,
    Failed,
    Hello,
    ProtocolError,
    parse_answer,
    parse_call,
    parse_hello,
)

NUMBERS = st.integers(0, 1 << 62)
KEYS = st.from_regex(r"[a-z0-9._-]{1,20}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
METADATA = st.lists(st.tuples(KEYS, TEXTS), max_size=4).map(tuple)


@given(id_=NUMBERS, milliseconds=NUMBERS, metadata=METADATA, request=st.binary())
def test_calls_come_back(id_, milliseconds, metadata, request):
    """Any bytes, any texts."""
    call = Call(id_, "/runtime.v1.RuntimeService/Version", milliseconds, metadata, request)
    assert parse_call(call.line()) == call
    assert "\n" not in call.line()


@given(
    answer=st.builds(
        Answered,
        id=NUMBERS,
        nanoseconds=NUMBERS,
        status=st.integers(0, 16),
        message=TEXTS,
        metadata=METADATA,
        content=st.binary(),
    )
)
def test_answers_come_back(answer):
    """The same."""
    assert parse_answer(answer.line()) == answer


@given(id_=st.none() | NUMBERS, message=TEXTS)
def test_errors_come_back(id_, message):
    """With the call that they are about, or without."""
    assert parse_answer(Failed(id_, message).line()) == Failed(id_, message)


def test_lines_are_as_documented():
    """A client is written from these."""
    call = Call(7, "/runtime.v1.RuntimeService/Version", 5000, (("x-a", "1"), ("x-b", "")), b"\x0a\x01v")
    assert call.line() == "call 7 /runtime.v1.RuntimeService/Version 5000 x-a=MQ==,x-b=- CgF2"
    answer = Answered(7, 123456, 0, "", (("cri-shim-bill", "id=1"),), b"hello")
    assert answer.line() == "answer 7 123456 0 - cri-shim-bill=aWQ9MQ== aGVsbG8="
    assert Failed(None, "no").line() == "error - bm8="
    assert Hello("my-client", "1.2 go1.22").line() == "hello 1 my-client 1.2 go1.22"


@pytest.mark.parametrize(
    ("line", "hello"),
    [
        ("hello 1 a 1.0", Hello("a", "1.0")),
        ("hello 1 a", Hello("a", "")),
        ("hello 1 a  go 1", Hello("a", "go 1")),
    ],
)
def test_hello(line, hello):
    """The version is the rest of the line."""
    assert parse_hello(line) == hello


@pytest.mark.parametrize("line", ["", "hello", "hello 1", "hello 1 ", "hello 2 a 1", "answer 1 1 0 - - -", "hi 1 a"])
def test_what_is_no_hello(line):
    """Is refused, and shown."""
    with pytest.raises(ProtocolError, match="cannot be understood"):
        parse_hello(line)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "answer",
        "answer 1 2 0 - -",
        "answer 1 2 0 - - - -",
        "answer x 2 0 - - -",
        "answer -1 2 0 - - -",
        "answer 1 2.5 0 - - -",
        "answer 1 99999999999999999999 0 - - -",
        "answer ١ 2 0 - - -",
        "answer 1 2 0 - - !",
        "answer 1 2 0 - - QQ",
        "answer 1 2 0 - key -",
        "answer 1 2 0 - =QQ== -",
        "answer 1  2 0 - - -",
        "error 1",
        "error x -",
        "hello 1 a 1",
    ],
)
def test_what_is_no_answer(line):
    """Is refused, and shown in part."""
    with pytest.raises(ProtocolError) as wrong:
        parse_answer(line + "x" * 5000 if line.endswith("!") else line)
    assert len(str(wrong.value)) < 500
