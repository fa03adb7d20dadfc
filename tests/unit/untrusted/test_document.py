"""The accessors of a document, beyond what tests/hostile/json-document holds."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from untrusted import DocumentError, parse_object, parse_objects

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)


@settings(max_examples=40)  # each is a document of many values
@given(st.dictionaries(st.text(), JSON))
def test_plain_is_what_was_written(document):
    assert parse_object(json.dumps(document).encode()).plain() == document


def test_objects_of_the_same_name_are_merged():
    document = parse_object(b'{"config": {"User": "1"}, "Config": {"Cmd": ["a", null]}}')
    config = document.object("config")
    assert config is not None
    assert (config.text("User"), config.texts("Cmd")) == ("1", ("a", ""))


def test_the_error_names_the_place():
    document = parse_object(b'{"layers": [{"size": 1}, {"size": "2"}]}')
    with pytest.raises(DocumentError, match=r"^layers\[1\].size is a string, not a whole number$"):
        [layer.integer("size") for layer in document.objects("layers")]


def test_an_absent_object_is_none_and_an_absent_list_is_empty():
    document = parse_object(b'{"a": null}')
    assert document.object("a") is None
    assert document.objects("b") == ()
    assert "a" not in document


def test_a_document_that_is_too_long_is_not_parsed():
    with pytest.raises(DocumentError, match="12 bytes are more than the 10"):
        parse_object(b"not JSON ...", limit=10)


def test_a_list_of_objects():
    first, second = parse_objects(b'[{"Config": "a"}, null]')
    assert (first.text("config"), second.text("config")) == ("a", "")
    assert parse_objects(b"null") == ()


def test_a_field_that_occurs_a_hundred_thousand_times():
    """The time grows with the size of the document and no faster: its square would be minutes, in the event loop."""
    document = parse_object(b"{%s}" % b",".join([b'"layers": [], "Config": {"a": "b"}'] * 100_000))
    begun = time.process_time()
    assert document.objects("layers") == ()
    assert document.text_map("config") == {"a": "b"}
    assert "config" in document
    assert time.process_time() - begun < 6


def test_a_document_of_too_many_parts():
    """It is refused before it is parsed, which would take seconds."""
    with pytest.raises(DocumentError, match="more than the 250000 objects and lists that are allowed"):
        parse_objects(b"[%s]" % b",".join([b"{}"] * 250_000))
    assert len(parse_objects(b"[%s]" % b",".join([b"{}"] * 1000))) == 1000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"{}", "the document is an object, not a list"),
        (b'[{}, "x"]', r"\[1\] is a string, not an object"),
        (b"[" * 10_000, "not JSON"),
        (b"[" * 300 + b"]" * 300, "nested more than"),
        (b"[{}", "not JSON"),
    ],
)
def test_what_is_no_list_of_objects(text, said):
    with pytest.raises(DocumentError, match=said):
        parse_objects(text)
