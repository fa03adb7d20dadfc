"""Words of a unit's commands, as systemd splits and unescapes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cri_shim.doctor.facts.unit_words import first_command, unit_word, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("  /usr/bin/containerd  -l\tinfo ", ["/usr/bin/containerd", "-l", "info"]),
        (r"/c --config /srv/a\x20b.toml", ["/c", "--config", "/srv/a b.toml"]),
        (r"/c a\sb '\x41' \"\101\"", ["/c", "a b", "A", '"A"']),
        (r"/c \u00e9 \xc3\xa9 \U0001F600", ["/c", "é", "é", "\U0001f600"]),
        (r"/c \t\"\\", ["/c", '\t"\\']),
        (r"/c 'a\'b'", ["/c", "a'b"]),
        ("/c 'a b' \"c d\" e'f g'h", ["/c", "a b", "c d", "ef gh"]),
        ("/c ''", ["/c", ""]),
        (r"/c \q \x4 \x00 \ud800", ["/c", r"\q", r"\x4", r"\x00", r"\ud800"]),
        ("/c a ; /d b", ["/c", "a"]),
        ("/c a;b ';' c", ["/c", "a;b", ";", "c"]),
        (r"/c a \; b", ["/c", "a", ";", "b"]),
        (r"/c a\;", ["/c", "a\\;"]),
        ("/c 'a", []),
    ],
)
def test_words_of_a_command(text, words):
    """A command ends at a semicolon of its own, and an escape that systemd does not know stays."""
    assert first_command(text) == words


def test_a_list_has_no_commands():
    """As that of variables."""
    assert words_of("A=b ; 'C=d e'") == ["A=b", ";", "C=d e"]
    with pytest.raises(ValueError, match="no end"):
        words_of("'A=b")


@given(st.lists(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0")), max_size=4))
def test_words_that_were_written_are_read_back(words):
    """Whatever is in them."""
    assert first_command(" ".join(["/c", *map(unit_word, words)])) == ["/c", *words]


def test_a_plain_word_stays_as_it_is():
    """Variables and specifiers, too, which systemd replaces."""
    for word in ("$OPTS", "${A}", "--log=%n", "/a-b_c.toml"):
        assert unit_word(word) == word
