"""Strings from outside can be encoded and shown, whatever they were."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from untrusted import decode_utf8, encodable, escaped, shorten

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(ANY_TEXT)
def test_every_text_becomes_encodable(text):
    assert encodable(encodable(text)) == encodable(text)
    encodable(text).encode()


@given(ANY_TEXT.map(lambda text: text.encode("utf-8", "ignore")))
def test_what_is_utf8_stays_as_it_is(data):
    assert decode_utf8(data).encode() == data


@given(st.binary())
def test_every_bytes_become_text(data):
    decode_utf8(data).encode()


def test_each_invalid_byte_becomes_one_replacement_as_in_go():
    assert decode_utf8(b"a\xf0\x9f\x92b") == "a\ufffd\ufffd\ufffdb"


@given(ANY_TEXT)
def test_a_shown_name_has_no_control_characters_and_a_readable_length(text):
    shown = escaped(text, 20)
    shown.encode()
    assert shown.isprintable()
    assert len(shown) < 20 * 10 + 40


def test_what_is_cut_is_said():
    assert shorten("abcdef", 4) == "abcd... (2 more characters)"
    assert shorten("abcd", 4) == "abcd"
    assert escaped("a\nb" * 200, 6).startswith("a\\nba\\nb... (594 more")
